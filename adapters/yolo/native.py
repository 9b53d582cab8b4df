"""How ultralytics' own metrics on val differ from COCO's, for the report.

Read in ultralytics 8.4: `utils/metrics.py` (compute_ap, ap_per_class), `engine/validator.py` and
`cfg/default.yaml`. On the same matches its AP is COCO's but for the interpolation: the demo's mAP50-95 of
0.8850 on val, where bench has 0.8858, follows from bench's matches by its formula.
"""

from bench.records import LedgerEntry

NATIVE_NOTES: tuple[LedgerEntry, ...] = (
    LedgerEntry(
        setting="interpolation",
        asked="mean of the highest precision from each of 101 recalls on",
        used="area under straight lines between the points of the curve, by the trapezoidal rule",
        why="mAP is a little lower than AP, most where a class has few objects",
    ),
    LedgerEntry(
        setting="precision and recall",
        asked="all objects counted together, at the score with the best F1 on val",
        used="means over the classes, at the score with the best smoothed mean F1",
        why="rare classes weigh as much as frequent ones",
    ),
    LedgerEntry(
        setting="maximal detections",
        asked="100 of an image",
        used="300 of an image",
        why="mAP may be higher where an image has many objects",
    ),
    LedgerEntry(setting="score floor", asked="0.001", used="0.001", why="no difference"),
    LedgerEntry(
        setting="area, crowds",
        asked="also by area; detections on crowds are not counted",
        used="no areas; crowds are not among its labels, so detections on them are false alarms",
        why="mAP is lower where the data has crowds",
    ),
    LedgerEntry(
        setting="weights and boxes",
        asked="the checkpoint read back, in half precision; boxes to a thousandth of a pixel",
        used="the averaged weights in training, in single precision",
        why="a difference in the fifth digit",
    ),
)
"""`asked`: bench, as pycocotools. `used`: ultralytics. `why`: what follows for its figures."""
