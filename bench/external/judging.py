"""Judge predictions of other tools, and write a run folder of them.

Detections below SCORE_FLOOR and those beyond the MAX_DETECTIONS best of an image are left out, as for trained
models, and counted. Nothing is chosen on test: precision, recall and F1 need predictions on val, or a given
score threshold.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import evaluation, files
from bench.config import LONGEST_NAME
from bench.detector import MAX_DETECTIONS, SCORE_FLOOR
from bench.errors import ConfigError, RunError
from bench.evaluation import Judge, MatchTable, Results
from bench.external.ids import with_names
from bench.external.mapping import map_to
from bench.external.readers import read_predictions
from bench.external.truth import Truth, read_truth
from bench.layout import SplitName
from bench.provenance import provenance
from bench.records import CellRecord, LedgerEntry
from bench.runner.create import place
from bench.runner.run import RunResult, conclude
from bench.store import CellFolder, RunFolder, RunInfo

NAME = "evaluate"


@dataclass(frozen=True)
class Request:
    """What to judge.

    Attributes:
        truth: a COCO json of the test split, or a run folder, whose ground truth is taken.
        predictions: 'NAME' or 'NAME/SEED' -> file or folder.
        val_truth: a COCO json of val; None: that of the run, if `truth` is one.
        val_predictions: the same names as `predictions`, or none at all.
        threshold: the score threshold of precision, recall and F1 in place of val's best.
        images: the folder of the test images, for the report's gallery.
        ids: the COCO json whose ids the predictions use, if they are not those of `truth`.
    """

    truth: Path
    predictions: Mapping[str, Path]
    val_truth: Path | None = None
    val_predictions: Mapping[str, Path] = field(default_factory=dict)
    threshold: float | None = None
    images: Path | None = None
    ids: Path | None = None


@dataclass(frozen=True)
class _Cell:
    """One file of predictions on test, and one on val where there are any."""

    model: str
    seed: int
    paths: Mapping[SplitName, Path]

    @property
    def name(self) -> str:
        return f"{self.model}-seed{self.seed}"


@dataclass(frozen=True)
class _Data:
    """What the cells have in common."""

    truths: Mapping[SplitName, Truth]
    key: str
    """Of the dataset; empty for a COCO json, whose ground truth is then the key."""
    layout: str
    rare_classes: tuple[str, ...]
    manifest: dict[str, Any]
    samples: Path | None = None
    """Test images that the run keeps."""


def evaluate(request: Request, *, runs: Path, into: Path | None, command: str) -> RunResult:
    """Write the new run folder RUNS/evaluate-DATE-TIME, or `into`, with its report.

    Raises:
        ConfigError: a wrong name, names without predictions on val, or `into` exists.
        DataError: the ground truth can't be judged.
        RunError: predictions can't be read, or do not fit the ground truth. Nothing is written.
    """
    cells = _cells(request)
    if into is not None and into.exists():
        raise ConfigError("exists already", record="output", value=str(into), hint="name a new folder")
    data = _data(request)
    made = provenance(command)
    with files.draft_folder(into.parent if into else runs, "new") as draft:
        run = RunFolder(draft)
        for split, truth in data.truths.items():
            files.write_json(run.ground_truth_path(split), truth.coco, indent=None)
        classes = data.truths["test"].classes
        paths = {split: run.ground_truth_path(split) for split in data.truths}
        judge = Judge(classes, paths, data.rare_classes)
        key = data.key or f"truth-{judge.ground_truth('test').signature[:16]}"
        read: dict[str, Any] = {}
        for cell in cells:
            record, read[cell.name] = _judged(run.cell(cell.name), cell, data, judge, request)
            record = record.model_copy(update={"dataset": key, "provenance": made})
            files.write_text(run.cell(cell.name).record_path, record.model_dump_json(indent=2) + "\n")
        info = RunInfo(
            name=NAME,
            layout=data.layout,
            dataset=key,
            classes=classes,
            cells=tuple(cell.name for cell in cells),
            evaluated=True,
            images=str(request.images.resolve()) if request.images else None,
            provenance=made,
        )
        files.write_text(run.info_path, info.model_dump_json(indent=2) + "\n")
        manifest = {"key": key, "classes": list(classes), **data.manifest, "predictions": read}
        if request.threshold is not None:
            manifest["threshold"] = request.threshold
        files.write_json(run.manifest_path, manifest)
        if data.samples and data.samples.is_dir():
            shutil.copytree(data.samples, run.samples_dir)
        finished = RunFolder(draft.replace(into) if into else place(draft, NAME))
    return conclude(finished)


def _cells(request: Request) -> list[_Cell]:
    """In the order of the names. Raises ConfigError."""
    if not request.predictions:
        raise ConfigError("there are none", record="predictions", hint="give NAME=FILE")
    val = request.val_predictions
    if val and set(val) != set(request.predictions):
        raise ConfigError(
            "should have the same names as the predictions on test",
            record="val predictions",
            value=sorted(val),
            hint=f"give one for each of: {', '.join(sorted(request.predictions))}",
        )
    if val and request.val_truth is None and not request.truth.is_dir():
        raise ConfigError("need their ground truth", record="val predictions", hint="give --val-truth")
    cells: list[_Cell] = []
    for name, path in request.predictions.items():
        cell = _Cell(*_model_and_seed(name), {"test": path, **({"val": val[name]} if val else {})})
        if any(cell.name == other.name for other in cells):
            raise ConfigError("is named twice", record="predictions", value=name, hint="NAME/0=, NAME/1=")
        cells.append(cell)
    return cells


def _model_and_seed(name: str) -> tuple[str, int]:
    """'mine/1' -> ('mine', 1). Raises ConfigError."""
    model, slash, seed = name.partition("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", model) or len(model) > LONGEST_NAME:
        raise ConfigError(
            "is no name of a model",
            record="predictions",
            value=model,
            hint=f"use at most {LONGEST_NAME} letters, digits, '.', '_' and '-': it names a folder",
        )
    if slash and not seed.isdecimal():
        raise ConfigError("seeds are whole numbers", record="predictions", value=name, hint="NAME/0=FILE")
    return model, int(seed or 0)


def _data(request: Request) -> _Data:
    truths: dict[SplitName, Truth] = {"test": read_truth(request.truth, "test")}
    if request.val_predictions:
        truths["val"] = read_truth(request.val_truth or request.truth, "val")
        if truths["val"].classes != truths["test"].classes:
            raise RunError(
                "the classes of val are not those of test",
                file=truths["val"].path,
                record="categories",
                value=f"{list(truths['val'].classes)} for {list(truths['test'].classes)}",
            )
    if request.truth.is_dir():
        run = RunFolder.open(request.truth)
        info = run.info()
        rare = {record.rare_classes for record in run.records()}
        manifest = run.manifest() if run.manifest_path.is_file() else {}
        named = rare.pop() if len(rare) == 1 else ()
        return _Data(truths, info.dataset, info.layout, named, manifest, run.samples_dir)
    annotations = [
        {"file": str(truth.path.resolve()), "split": split, "sha256": truth.sha256}
        for split, truth in truths.items()
    ]
    return _Data(truths, "", "", (), {"source": {"format": "coco", "annotations": annotations}})


def _judged(
    folder: CellFolder, cell: _Cell, data: _Data, judge: Judge, request: Request
) -> tuple[CellRecord, dict[str, Any]]:
    """Predictions and match tables are written. The record, and by split what was read, for the manifest."""
    folder.root.mkdir(parents=True)
    read: dict[str, Any] = {}
    ledger: list[LedgerEntry] = []
    tables: dict[SplitName, MatchTable] = {}
    for split, path in cell.paths.items():
        found = read_predictions(path)
        if request.ids:
            found = with_names(found, request.ids)
        mapped = map_to(data.truths[split], found)
        results = _limited(mapped.results)
        evaluation.write_results(folder.predictions_path(split), results)
        tables[split] = judge.match(split, results)
        evaluation.write_matches(folder.matches_path(split), tables[split])
        read[split] = {
            "file": str(path.resolve()),
            "sha256": files.sha256(path) if path.is_file() else None,
            "detections": len(found),
            "judged": len(results),
            "notes": list(mapped.notes),
        }
        if len(results) < len(found):
            ledger.append(_left_out(split, len(found), len(results)))
    threshold = request.threshold
    if threshold is None and "val" in tables:
        threshold = evaluation.best_threshold(tables["val"])
    figures = {split: judge.figures(table, threshold) for split, table in tables.items()}
    record = CellRecord(
        cell=cell.name,
        model=cell.model,
        seed=cell.seed,
        dataset=data.key,
        status="done",
        rare_classes=data.rare_classes,
        ledger=tuple(ledger),
        val=figures.get("val"),
        test=figures["test"],
    )
    return record, read


def _left_out(split: SplitName, found: int, judged: int) -> LedgerEntry:
    return LedgerEntry(
        setting=f"detections on {split}",
        asked=f"{found:,}",
        used=f"{judged:,}",
        why=f"as of trained models, scores of at least {SCORE_FLOOR:g} and the best {MAX_DETECTIONS} of an "
        "image are judged",
    )


def _limited(results: Results) -> Results:
    """The best MAX_DETECTIONS of each image, of at least SCORE_FLOOR, in the order of the file."""
    order = np.lexsort((-results.scores, results.image_ids))  # by image, then best first; stable
    images = results.image_ids[order]
    first = np.r_[0, np.flatnonzero(np.diff(images)) + 1] if len(order) else np.zeros(0, dtype=np.int64)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    kept = (rank < MAX_DETECTIONS) & (results.scores >= SCORE_FLOOR)
    return Results(
        results.image_ids[kept],
        results.category_ids[kept],
        results.boxes_xywh[kept],
        results.scores[kept],
        results.path,
    )
