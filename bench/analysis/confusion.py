"""The confusion matrix of a detector at one score threshold, with background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.evaluation import MatchTable
from bench.evaluation.matches import NO_OBJECT

FOUND_IOU = 0.5


@dataclass(frozen=True)
class Confusion:
    """Rows are true classes, columns predicted ones; the last of each is background.

    Every object that is no crowd is counted once in its row, and every kept detection that is not ignored
    once in its column.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.int64]  # (C + 1, C + 1)

    @property
    def rates(self) -> NDArray[np.float64]:
        """(C + 1, C + 1) shares of each row; NaN for a row without anything."""
        totals = self.counts.sum(axis=1, keepdims=True)
        shares = np.divide(self.counts, totals, out=np.full(self.counts.shape, np.nan), where=totals > 0)
        return np.asarray(shares)

    @property
    def class_error(self) -> float | None:
        """Of the objects that are located, rightly named or confused, the share that is confused.

        The counterpart of DETR's `class_error` (bench.analysis.losses). None where nothing is located.
        """
        located = self.counts[:-1, :-1]
        total = int(located.sum())
        return 1 - int(np.trace(located)) / total if total else None


def confusion(table: MatchTable, score_threshold: float) -> Confusion:
    """Matches at IoU 0.5 first, as for AP; what is left is confused, missed or background.

    An object that no kept detection of its class finds is confused with the class of the best-scored kept
    false positive whose largest overlap with other classes' objects is with it, IoU 0.5 or more; without one
    it is missed: predicted as background. A false positive that confuses no object is found on background.
    """
    true, false = table.outcome()
    kept = table.score >= score_threshold
    background = len(table.classes)
    true &= kept
    found = np.zeros(len(table.object_id), dtype=np.bool_)
    found[table.matched_object()[true]] = True
    predicted = np.full(len(table.object_id), background)
    predicted[found] = table.object_label[found]
    candidates = np.flatnonzero(false & kept & (table.other_iou >= FOUND_IOU))
    candidates = candidates[~found[table.other_object[candidates]]]
    # From the worst score up, so that the best is written last.
    worst_first = candidates[np.argsort(-table.score[candidates], kind="stable")[::-1]]
    confuser = np.full(len(table.object_id), NO_OBJECT)
    confuser[table.other_object[worst_first]] = worst_first
    confused = np.flatnonzero(confuser != NO_OBJECT)
    predicted[confused] = table.label[confuser[confused]]
    alone = false & kept
    alone[confuser[confused]] = False
    counts = np.zeros((background + 1, background + 1), dtype=np.int64)
    there = ~table.object_crowd
    np.add.at(counts, (table.object_label[there], predicted[there]), 1)
    np.add.at(counts, (np.full(int(alone.sum()), background), table.label[alone]), 1)
    return Confusion(table.classes, counts)
