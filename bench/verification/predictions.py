"""Records against the stored predictions: our figures computed again, and those of two other judges."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench import evaluation
from bench.errors import RunError
from bench.evaluation import Judge, MatchTable, Results, read_matches, read_results
from bench.layout import SplitName
from bench.records import CellRecord, SplitFigures
from bench.reports.stored import read_json
from bench.store import CellFolder, RunFolder
from bench.verification.check import Check, compared, guarded
from bench.verification.references import ROUNDING, Figures, pycocotools, torchmetrics

EXACT = 1e-9
"""Between our figures and pycocotools': records of earlier versions went through other sums."""


def check_cell(run: RunFolder, record: CellRecord) -> Iterator[Check]:
    """All splits of a cell that is done."""
    folder = run.cell(record.cell)
    judged: list[tuple[str, SplitName, CellFolder, SplitFigures | None]] = [
        ("val", "val", folder, record.val),
        ("test", "test", folder, record.test),
        ("test, final training", "test", folder.final, record.final.test if record.final else None),
    ]
    judge = Judge.of_run(run, record.rare_classes)
    chosen = _chosen(run, judge, folder)
    for title, split, cell, figures in judged:
        if figures is not None:
            subject = f"{record.cell}, {title}"
            part = _Part(run, judge, split, cell, figures, chosen)
            yield from guarded(subject, "figures", lambda part=part, subject=subject: part.checks(subject))  # type: ignore[misc]


def _chosen(run: RunFolder, judge: Judge, folder: CellFolder) -> float | None:
    """The score threshold that was given, or has the best F1 on val; None where val can't be read."""
    given = run.manifest().get("threshold") if run.manifest_path.is_file() else None
    if given is not None:
        return float(given)
    try:
        results = read_results(folder.predictions_path("val"))
        return evaluation.best_threshold(judge.match("val", results))
    except RunError:
        return None


class _Part:
    """One split of a cell."""

    def __init__(
        self,
        run: RunFolder,
        judge: Judge,
        split: SplitName,
        cell: CellFolder,
        figures: SplitFigures,
        chosen: float | None,
    ) -> None:
        self._run, self._judge, self._split = run, judge, split
        self._cell, self._figures, self._chosen = cell, figures, chosen

    def checks(self, subject: str) -> Iterator[Check]:
        results = read_results(self._cell.predictions_path(self._split))
        table = self._judge.match(self._split, results)
        yield self._against_record(subject, table)
        yield self._threshold(subject)
        yield self._match_table(subject, table)
        truth = read_json(self._run.ground_truth_path(self._split))
        yield from self._references(subject, truth, results)

    def _against_record(self, subject: str, table: MatchTable) -> Check:
        point = self._figures.operating_point
        again = self._judge.figures(table, point.score_threshold if point else None)
        stored = _flat(self._figures.model_dump())
        found = [
            f"{name} is {stored.get(name)!r} in the record, {value!r} by the predictions"
            for name, value in _flat(again.model_dump()).items()
            if not _equal(stored.get(name), value, EXACT)
        ]
        return compared(subject, "record", found, f"{len(stored):,} figures follow from the predictions")

    def _threshold(self, subject: str) -> Check:
        point = self._figures.operating_point
        name = "score threshold"
        if point is None:
            return Check(subject, name, "skipped", "there is none, because there are no predictions on val")
        if self._chosen is None:
            return Check(subject, name, "skipped", "val's predictions can't be read")
        differs = [f"{point.score_threshold} in the record, {self._chosen} is best on val"]
        same = point.score_threshold == self._chosen
        return compared(subject, name, [] if same else differs, "the best of val, or the given one")

    def _match_table(self, subject: str, table: MatchTable) -> Check:
        path = self._cell.matches_path(self._split)
        if not path.is_file():
            return Check(subject, "match table", "skipped", "an older run has none")
        try:
            stored = read_matches(path)
        except RunError as error:  # nothing is computed from such a table: see matches_of
            return Check(subject, "match table", "skipped", str(error).partition("\n")[0])
        found = [
            f"{path.name}: the column {name} is not that of the predictions"
            for name in MatchTable.__dataclass_fields__
            if not np.array_equal(getattr(stored, name), getattr(table, name))
        ]
        return compared(subject, "match table", found, f"{len(table):,} detections matched again")

    def _references(self, subject: str, truth: dict[str, Any], results: Results) -> Iterator[Check]:
        ours = self._figures.coco.model_dump()
        theirs = pycocotools(truth, results)
        found = _differing(ours, theirs, EXACT)
        yield compared(subject, "pycocotools", found, "the same twelve figures")
        theirs = torchmetrics(truth, results)
        found = _differing(ours, theirs, ROUNDING)
        yield compared(subject, "torchmetrics", found, f"the same {len(theirs)} figures, in single precision")


def _differing(ours: Figures, theirs: Figures, allowed: float) -> list[str]:
    return [
        f"{name} is {ours[name]} in the record, {value} by it"
        for name, value in theirs.items()
        if not _equal(ours[name], value, allowed)
    ]


def _equal(one: Any, other: Any, allowed: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= allowed
    return bool(one == other)


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Every value of a record by its path: 'coco/AP', 'classes/disc/AP50'."""
    if isinstance(tree, dict):
        pairs = [(str(key), value) for key, value in tree.items()]
    elif isinstance(tree, (list, tuple)):
        pairs = [(str(one["name"]), one) for one in tree]
    else:
        return {prefix: tree}
    return {
        path: value
        for key, part in pairs
        for path, value in _flat(part, f"{prefix}/{key}" if prefix else key).items()
    }
