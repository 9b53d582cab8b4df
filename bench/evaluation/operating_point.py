"""What a detector does at one score threshold, and which threshold is best.

Counts are over all classes together (micro): TP detections found an object of their class at IoU 0.5, FP did
not, FN objects were not found. F1 is 2 TP / (2 TP + FP + FN).
"""

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.evaluator import load_detections
from bench.evaluation.ground_truth import GroundTruth
from bench.evaluation.matching import Matches, match
from bench.evaluation.results import Results
from bench.records import OperatingPoint

NOTHING_TO_CHOOSE = 1.0
"""The threshold where no detection found anything: nothing short of certainty is kept."""


def best_threshold(ground_truth: GroundTruth, results: Results) -> float:
    """The score with the best F1 among those of `results`; of several, the highest.

    Give it val: a threshold chosen on test would be told the answers. Without a single true positive it is
    NOTHING_TO_CHOOSE.
    """
    return best_score(match(ground_truth, load_detections(ground_truth, results)))


def best_score(matches: Matches) -> float:
    """`best_threshold` of matches that are there already."""
    if not matches.found.any():
        return NOTHING_TO_CHOOSE
    kept = np.arange(1, len(matches.scores) + 1)
    # 2 TP + FP + FN = (TP + FP) + (TP + FN): the detections kept and the objects there.
    f1 = 2 * np.cumsum(matches.found) / (kept + matches.objects)
    # Equal scores are kept or cut together: only the last of a tie is a place to cut.
    cut_here = np.append(matches.scores[1:] < matches.scores[:-1], True)
    return float(matches.scores[np.argmax(np.where(cut_here, f1, -1.0))])


def operating_point(matches: Matches, score_threshold: float) -> OperatingPoint:
    """Counts and rates of the detections whose score is at least `score_threshold`."""
    kept = matches.scores >= score_threshold
    true_positives = int(np.count_nonzero(matches.found & kept))
    detections = int(np.count_nonzero(kept))
    return OperatingPoint(
        score_threshold=score_threshold,
        true_positives=true_positives,
        false_positives=detections - true_positives,
        false_negatives=matches.objects - true_positives,
        precision=_share(true_positives, detections),
        recall=_share(true_positives, matches.objects),
        f1=_share(2 * true_positives, detections + matches.objects),
    )


def detections_by_class(matches: Matches, score_threshold: float, classes: int) -> NDArray[np.int64]:
    """How many detections of each class have at least that score, shape (classes,); TP + FP in all."""
    return np.bincount(matches.labels[matches.scores >= score_threshold], minlength=classes)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
