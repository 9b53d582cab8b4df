"""The page of a search: what it tried, what mattered, and best against standard.

folder.py     the search and its final run, read once
trials.py     trials as rows and series
verdict.py    best against standard over the seeds, and the sentence that follows
charts.py, plots.py    the same figures on the page and as files
parts.py, page.py      what the template is given, and the page
"""
