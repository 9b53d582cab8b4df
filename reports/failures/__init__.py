"""Where the models fail on test: kinds of error, which pictures show them best, and the gallery of the page.

errors.py     each model's errors at its own threshold, from its match table
choose.py     the few dozen pictures that tell most, and why each was chosen
pictures.py   those pictures' pixels: from the run's samples, or from the written dataset
gallery.py    what the page draws; tags.py places the labels
"""
