"""Each model's errors on test at its own score threshold, from its match table.

Kinds follow TIDE (Bolya et al. 2020, arXiv:2008.08115), at IoU 0.5, in this order of precedence:

    duplicate    overlaps an object of its class that a better detection has found
    class        overlaps an object of another class
    location     touches an object of its class with IoU 0.1 or more, but less than 0.5
    background   none of these: no object there
    missed       an object that no detection at the threshold or above finds
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.errors import RunError
from bench.evaluation import Judge, MatchTable
from bench.reports.comparison import Comparison, Contestant
from bench.reports.tables import Tables

MISSED, CLASS, LOCATION, DUPLICATE, BACKGROUND = range(5)
KINDS = ("missed", "class", "location", "duplicate", "background")
"""Names in the page's address and style sheet, by index."""

TITLES = ("missed", "wrong class", "misplaced", "duplicate", "nothing there")
"""Names for readers, by index."""

CORRECT, IGNORED = -1, -2
"""Kinds of a detection that is no error: it finds its object, or lies on a crowd or is not judged."""

IOU_FOUND = 0.5
IOU_TOUCHED = 0.1
"""TIDE's foreground and background thresholds."""


@dataclass(frozen=True)
class ModelErrors:
    """One model's cell: the kind of every detection, and the score at which each object is found."""

    contestant: Contestant
    threshold: float
    table: MatchTable
    kind: NDArray[np.int8]  # (N,) CORRECT, IGNORED, or an index of KINDS
    found_score: NDArray[np.float64]  # (O,) of the detection that finds the object; -1 for none

    @cached_property
    def shown(self) -> NDArray[np.bool_]:
        """(N,) detections at the threshold or above that count."""
        return np.asarray((self.table.score >= self.threshold) & (self.kind != IGNORED))

    @cached_property
    def found(self) -> NDArray[np.bool_]:
        """(O,) objects found at the threshold."""
        return np.asarray(self.found_score >= self.threshold)

    @cached_property
    def missed(self) -> NDArray[np.bool_]:
        """(O,) objects that are not, crowds left out."""
        return np.asarray(~self.found & ~self.table.object_crowd)

    def wrong(self, kind: int) -> NDArray[np.bool_]:
        """(N,) detections shown that are errors of that kind."""
        return np.asarray(self.shown & (self.kind == kind))

    def count(self, kind: int) -> int:
        """Errors of one kind on the whole split."""
        return int((self.missed if kind == MISSED else self.wrong(kind)).sum())

    def by_image(self, kind: int) -> NDArray[np.int64]:
        """(I,) errors of one kind in each image."""
        where = self.table.object_image[self.missed] if kind == MISSED else self.table.image[self.wrong(kind)]
        return np.bincount(where, minlength=self.table.images)


@dataclass(frozen=True)
class SplitErrors:
    """All models whose predictions are stored, on the same images and objects."""

    models: tuple[ModelErrors, ...]  # best first; at least one

    @property
    def table(self) -> MatchTable:
        """For images and objects, which are the same for all models."""
        return self.models[0].table

    @property
    def real(self) -> NDArray[np.bool_]:
        """(O,) objects to be found: no crowds."""
        return np.asarray(~self.table.object_crowd)

    @cached_property
    def finders(self) -> NDArray[np.int64]:
        """(O,) how many models find each object."""
        return np.asarray(np.sum([model.found for model in self.models], axis=0))

    @property
    def missed_by_all(self) -> NDArray[np.bool_]:
        return np.asarray(self.real & (self.finders == 0))

    @property
    def found_by_one(self) -> NDArray[np.bool_]:
        """(O,) objects that one model finds and all others miss; none where there is one model."""
        return np.asarray(self.real & (self.finders == 1) & (len(self.models) > 1))

    @property
    def found_by_all(self) -> NDArray[np.bool_]:
        return np.asarray(self.real & (self.finders == len(self.models)))

    def found_alone(self, model: ModelErrors) -> NDArray[np.bool_]:
        """(O,) objects that only this model finds."""
        return np.asarray(self.found_by_one & model.found)


def split_errors(comparison: Comparison) -> SplitErrors | None:
    """Of the shown cell of every finished model, computed once.

    None where no predictions or no ground truth are stored.
    """
    return comparison.once(_split_errors)


def _split_errors(comparison: Comparison) -> SplitErrors | None:
    judges = {run.label: Judge.of_run(run.folder) for run in comparison.runs}
    found = [
        model
        for contestant in comparison.finished
        if (model := _model_errors(contestant, judges[contestant.run.label], comparison.tables))
    ]
    same = [model for model in found if _same_objects(model.table, found[0].table)]
    return SplitErrors(tuple(same)) if same else None


def _model_errors(contestant: Contestant, judge: Judge, tables: Tables) -> ModelErrors | None:
    record = contestant.shown
    if record is None or record.score_threshold is None:
        return None
    folder, run = contestant.run.folder.cell(record.cell), contestant.run.folder
    cell = folder.final if record.final else folder
    if not cell.predictions_path("test").is_file() or not run.ground_truth_path("test").is_file():
        return None
    try:
        table = tables(run, cell, "test", judge=judge)
    except RunError:
        return None  # predictions that do not fit the ground truth: the page says that there are none to show
    return of_table(contestant, table, record.score_threshold)


def of_table(contestant: Contestant, table: MatchTable, threshold: float) -> ModelErrors:
    """Kinds of all detections of a match table."""
    true, false = table.outcome(IOU_FOUND)
    kind = np.full(len(table), IGNORED, dtype=np.int8)
    kind[false] = BACKGROUND
    kind[false & (table.own_iou >= IOU_TOUCHED)] = LOCATION
    kind[false & (table.other_iou >= IOU_FOUND)] = CLASS
    kind[false & (table.own_iou >= IOU_FOUND)] = DUPLICATE
    kind[true] = CORRECT
    found_score = np.full(len(table.object_label), -1.0)
    found_score[table.matched_object(IOU_FOUND)[true]] = table.score[true]
    return ModelErrors(contestant, threshold, table, kind, found_score)


def _same_objects(one: MatchTable, other: MatchTable) -> bool:
    return np.array_equal(one.object_id, other.object_id) and np.array_equal(one.image_ids, other.image_ids)


def sizes(area: Sequence[float] | NDArray[np.float64]) -> list[str]:
    """'small', 'medium' or 'large' for areas in square pixels, by COCO's bounds."""
    return ["small" if value <= 32**2 else "medium" if value <= 96**2 else "large" for value in area]
