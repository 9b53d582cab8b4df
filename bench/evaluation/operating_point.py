"""What a detector does at one score threshold, and which threshold is best.

Counts are over all classes together (micro): TP detections found an object of their class at IoU 0.5, FP did
not, FN objects were not found. F1 is 2 TP / (2 TP + FP + FN). Detections on crowds count neither way.

A match never depends on detections of lower scores, so cutting the list at any score leaves the matches above
it as they are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.matches import MatchTable
from bench.records import OperatingPoint

NOTHING_TO_CHOOSE = 1.0
"""The threshold where no detection found anything: nothing short of certainty is kept."""


@dataclass(frozen=True)
class Candidates:
    """The detections that count at IoU 0.5, best score first."""

    scores: NDArray[np.float64]  # (N,) descending
    labels: NDArray[np.int32]  # (N,) class indices
    found: NDArray[np.bool_]  # (N,) an object of its class
    objects: int
    """There to be found, crowds left out."""

    @classmethod
    def of(cls, table: MatchTable) -> "Candidates":
        true, false = table.outcome()
        counted = np.flatnonzero(true | false)
        order = counted[np.argsort(-table.score[counted], kind="stable")]
        return cls(table.score[order], table.label[order], true[order], int(table.support.sum()))

    def best_threshold(self) -> float:
        """The score with the best F1 among all scores; of several, the highest.

        Without a single true positive it is NOTHING_TO_CHOOSE.
        """
        if not self.found.any():
            return NOTHING_TO_CHOOSE
        kept = np.arange(1, len(self.scores) + 1)
        # 2 TP + FP + FN = (TP + FP) + (TP + FN): the detections kept and the objects there.
        f1 = 2 * np.cumsum(self.found) / (kept + self.objects)
        # Equal scores are kept or cut together: only the last of a tie is a place to cut.
        cut_here = np.append(self.scores[1:] < self.scores[:-1], True)
        return float(self.scores[np.argmax(np.where(cut_here, f1, -1.0))])

    def operating_point(self, score_threshold: float) -> OperatingPoint:
        """Counts and rates of the detections whose score is at least `score_threshold`."""
        kept = self.scores >= score_threshold
        true_positives = int(np.count_nonzero(self.found & kept))
        detections = int(np.count_nonzero(kept))
        return OperatingPoint(
            score_threshold=score_threshold,
            true_positives=true_positives,
            false_positives=detections - true_positives,
            false_negatives=self.objects - true_positives,
            precision=_share(true_positives, detections),
            recall=_share(true_positives, self.objects),
            f1=_share(2 * true_positives, detections + self.objects),
        )

    def detections_by_class(self, score_threshold: float, classes: int) -> NDArray[np.int64]:
        """How many detections of each class have at least that score, shape (classes,); TP + FP in all."""
        return np.bincount(self.labels[self.scores >= score_threshold], minlength=classes)


def best_threshold(table: MatchTable) -> float:
    """The score with the best F1. Give it val's table: a threshold chosen on test would know the answers."""
    return Candidates.of(table).best_threshold()


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
