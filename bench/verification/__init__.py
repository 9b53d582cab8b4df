"""Is a stored run what it says? Everything that can be computed again is, and compared.

check.py         the outcome of one check
predictions.py   records against stored predictions, by pycocotools and torchmetrics too
references.py    those two judges
data.py          the source's hashes, the ground truth, and test images in train
outputs.py       results.csv, classes.csv and the report against the records; histories
verify.py        all of them
"""

from bench.verification.check import Check
from bench.verification.verify import verify

__all__ = ["Check", "verify"]
