"""Errors by kind, and what each costs in AP: TIDE (Bolya, Foley, Hays and Hoffman 2020, arXiv 2008.08115).

A detection that is no true positive at IoU 0.5 is, by the first that holds:

    localisation   0.1 <= IoU <= 0.5 with an object of its class
    class          IoU >= 0.5 with an object of another class
    duplicate      IoU > 0.5 with an object of its class that a better detection has found
    background     IoU <= 0.1 with every object
    both           the rest: another class, and badly localised

and an object that nothing found, and that no localisation or class error can be repaired to, is `missed`.
The definitions are those of the authors' code, tidecv 1.0.1, which other libraries do not all share: a
repaired detection becomes a true positive if it has the best score of those that can be repaired to the
same object, and is dropped if not; AP is the mean over the classes that have objects or detections. Where
an image has more than 100 detections, tidecv looks at the best 100 of all classes, this at the best 100
of each class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.evaluation import MatchTable
from bench.evaluation.matches import NO_OBJECT

KINDS = ("class", "localisation", "both", "duplicate", "background", "missed")
_CLASS, _LOCALISATION, _BOTH, _DUPLICATE, _BACKGROUND, _MISSED = range(6)
_NO_ERROR = -1

FOUND_IOU = 0.5
BACKGROUND_IOU = 0.1

_RECALLS = np.arange(101) / 100
"""tidecv's recall thresholds, which are not in every bit those of pycocotools."""

Index = NDArray[np.int64]


@dataclass(frozen=True)
class ErrorsByKind:
    """At IoU 0.5, over detections of any score."""

    ap: float
    counts: dict[str, int]
    """Kind -> errors."""
    ap_gain: dict[str, float]
    """Kind -> dAP: what AP would gain if all errors of the kind, and no others, were repaired; at least 0."""
    ap_gain_false_positives: float
    """dAP if every false positive had a score below every true positive."""
    ap_gain_false_negatives: float
    """dAP if every object that was not found were not there."""


@dataclass(frozen=True)
class ErrorList:
    """Which detections and objects err at one score threshold, for counts and pages."""

    detections: Index  # (N,) places in the table
    kinds: Index  # (N,) places in KINDS
    missed: Index  # (M,) objects that no kept detection finds, whatever lies near them

    def count(self, kind: str) -> int:
        """Errors of one kind; `missed` are all objects that are not found."""
        if kind == "missed":
            return len(self.missed)
        return int(np.count_nonzero(self.kinds == KINDS.index(kind)))


def errors_by_kind(table: MatchTable) -> ErrorsByKind:
    """Every error of a model, and what each kind costs."""
    kinds, repaired, missed = _assigned(table)
    points = _Points.of(table)
    ap = points.ap()
    gains = {}
    for number, kind in enumerate(KINDS):
        without = np.bincount(table.object_label[missed], minlength=len(table.classes))
        fixed = points if number == _MISSED else points.repaired(kinds == number, repaired)
        gains[kind] = max(fixed.ap(fewer=without if number == _MISSED else None) - ap, 0.0)
    unfound = np.ones(len(table.object_id), dtype=np.bool_)
    unfound[table.matched_object()[table.outcome()[0]]] = False
    unfound &= ~table.object_crowd
    return ErrorsByKind(
        ap=ap,
        counts={
            kind: len(missed) if number == _MISSED else int(np.count_nonzero(kinds == number))
            for number, kind in enumerate(KINDS)
        },
        ap_gain=gains,
        ap_gain_false_positives=points.sorted_by_truth().ap() - ap,
        ap_gain_false_negatives=points.ap(
            fewer=np.bincount(table.object_label[unfound], minlength=len(table.classes))
        )
        - ap,
    )


def errors_at(table: MatchTable, score_threshold: float) -> ErrorList:
    """The errors among the detections of at least that score; ignored ones (on crowds) are none."""
    true, false = table.outcome()
    kept = table.score >= score_threshold
    wrong = np.flatnonzero(false & kept)
    found = np.zeros(len(table.object_id), dtype=np.bool_)
    found[table.matched_object()[true & kept]] = True
    return ErrorList(
        detections=wrong,
        kinds=_kinds(table)[wrong],
        missed=np.flatnonzero(~found & ~table.object_crowd),
    )


def _kinds(table: MatchTable) -> Index:
    """(N,) the kind of error that each detection is, were it no true positive."""
    own, other = table.own_iou, table.other_iou
    conditions: Sequence[NDArray[np.bool_]] = (
        (own >= BACKGROUND_IOU) & (own <= FOUND_IOU),
        other >= FOUND_IOU,
        own >= FOUND_IOU,
        np.maximum(own, other) <= BACKGROUND_IOU,
    )
    return np.select(conditions, (_LOCALISATION, _CLASS, _DUPLICATE, _BACKGROUND), default=_BOTH)


def _assigned(table: MatchTable) -> tuple[Index, NDArray[np.int64], Index]:
    """The kind of each detection (N,), the object it is repaired to or NO_OBJECT (N,), missed objects."""
    true, _ = table.outcome()
    kinds = np.where(table.judged & ~true, _kinds(table), _NO_ERROR)
    found = np.zeros(len(table.object_id), dtype=np.bool_)
    found[table.matched_object()[true]] = True
    target = np.full(len(table), NO_OBJECT, dtype=np.int64)
    target[kinds == _LOCALISATION] = table.own_object[kinds == _LOCALISATION]
    target[kinds == _CLASS] = table.other_object[kinds == _CLASS]
    target[(target != NO_OBJECT) & found[target]] = NO_OBJECT
    usable = np.unique(target[target != NO_OBJECT])
    # Of those that could be repaired to one object only the best is: the first of equals in tidecv's order,
    # which goes by image and then by place in the file.
    candidates = np.flatnonzero(target != NO_OBJECT)
    order = candidates[np.lexsort((table.row[candidates], -table.score[candidates], target[candidates]))]
    best = np.full(len(table), NO_OBJECT, dtype=np.int64)
    first = np.append(True, target[order][1:] != target[order][:-1])[: len(order)]
    best[order[first]] = target[order[first]]
    missing = ~found & ~table.object_crowd
    missing[usable] = False
    return kinds, best, np.flatnonzero(missing)


@dataclass(frozen=True)
class _Points:
    """The detections that count, with whether they are right."""

    table: MatchTable
    label: Index  # (N,)
    score: NDArray[np.float64]  # (N,)
    true: NDArray[np.bool_]  # (N,)
    counted: NDArray[np.bool_]  # (N,)

    @classmethod
    def of(cls, table: MatchTable) -> "_Points":
        true, false = table.outcome()
        return cls(table, table.label.astype(np.int64), table.score, true, true | false)

    def repaired(self, errors: NDArray[np.bool_], target: NDArray[np.int64]) -> "_Points":
        """The best error of each object becomes right, in the object's class; the others are dropped."""
        fixed = errors & (target != NO_OBJECT)
        label = np.where(fixed, self.table.object_label[target], self.label)
        return _Points(self.table, label, self.score, self.true | fixed, (self.counted & ~errors) | fixed)

    def sorted_by_truth(self) -> "_Points":
        """Right detections before wrong ones."""
        return _Points(self.table, self.label, self.true.astype(np.float64), self.true, self.counted)

    def ap(self, fewer: Index | None = None) -> float:
        """The mean AP over the classes that have objects or detections, as tidecv has it; 0.0 without any.

        `fewer`: objects of each class that are not there.
        """
        support = self.table.support - (0 if fewer is None else fewer)
        aps = []
        for label in range(len(self.table.classes)):
            mine = np.flatnonzero(self.counted & (self.label == label))
            if not len(mine) and not support[label]:
                continue
            order = mine[np.argsort(-self.score[mine], kind="stable")]
            aps.append(_average_precision(self.true[order], int(support[label])))
        return float(np.mean(aps)) if aps else 0.0


def _average_precision(true: NDArray[np.bool_], objects: int) -> float:
    """101-point AP of detections from the best score down; 0.0 where there is no object."""
    if not objects or not len(true):
        return 0.0
    found = np.cumsum(true)
    precision = np.maximum.accumulate((found / np.arange(1, len(true) + 1))[::-1])[::-1]
    place = np.searchsorted(found / objects, _RECALLS, side="left")
    reached = place < len(true)
    return float(precision[place[reached]].sum() / len(_RECALLS))
