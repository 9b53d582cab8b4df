"""Precision, recall and F1 over the score, and thresholds for a demanded precision or recall.

A threshold is chosen on val and used on test: one chosen on test would know the answers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.evaluation import MatchTable
from bench.evaluation.matches import AREAS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreCurve:
    """One point for each score that occurs, from the highest down: what keeping all from it on would give."""

    scores: Floats  # (P,) descending
    true_positives: NDArray[np.int64]  # (P,)
    false_positives: NDArray[np.int64]  # (P,)
    objects: int

    @property
    def precision(self) -> Floats:
        """(P,)"""
        return np.asarray(self.true_positives / (self.true_positives + self.false_positives))

    @property
    def recall(self) -> Floats:
        """(P,); NaN where there is no object."""
        if not self.objects:
            return np.full(len(self.scores), np.nan)
        return np.asarray(self.true_positives / self.objects)

    @property
    def f1(self) -> Floats:
        """(P,)"""
        kept = self.true_positives + self.false_positives
        return np.asarray(2 * self.true_positives / (kept + self.objects))


def score_curve(
    table: MatchTable, *, iou: float = 0.5, label: int | None = None, area: str = "all"
) -> ScoreCurve:
    """Of one class, or of all together; at one of the table's IoU thresholds and area ranges."""
    true, false = table.outcome(iou, area)
    of_class = np.ones(len(table), dtype=np.bool_) if label is None else table.label == label
    counted = np.flatnonzero((true | false) & of_class)
    order = counted[np.argsort(-table.score[counted], kind="stable")]
    scores = table.score[order]
    last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True)[: len(scores)])
    found = np.cumsum(true[order], dtype=np.int64)[last]
    there = ~table.object_ignored()[:, AREAS.index(area)]
    if label is not None:
        there &= table.object_label == label
    return ScoreCurve(scores[last], found, last + 1 - found, int(there.sum()))


def threshold_for_precision(curve: ScoreCurve, precision: float) -> float | None:
    """The lowest score from which on the kept detections are at least so precise: the most recall for it.

    None where no score reaches it.
    """
    reached = np.flatnonzero(curve.precision >= precision)
    return float(curve.scores[reached[-1]]) if len(reached) else None


def threshold_for_recall(curve: ScoreCurve, recall: float) -> float | None:
    """The highest score from which on so many objects are found; None where all detections find fewer."""
    reached = np.flatnonzero(curve.recall >= recall)
    return float(curve.scores[reached[0]]) if len(reached) else None
