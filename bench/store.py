"""A run on disk: its files, and how they are read.

RUN/
  run.json              RunInfo: the config, the data, the machine
  bench.yaml            the resolved config; `bench run -c` repeats the run from it
  manifest.json         a copy of the dataset's manifest
  ground_truth/{val,test}.json     copies of the COCO json: the report needs nothing outside RUN
  ground_truth/test_images.csv     brightness and sharpness of each test image
  samples/samples.json  a few test images for the report, with the images beside it
  cells/CELL/           one folder for each cell, see CellFolder
  results.csv           one row for each cell; classes.csv: for each cell, split and class
  report.html, figures/
"""

import contextlib
import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from bench import earlier, files
from bench.errors import RunError
from bench.layout import SplitName
from bench.records import CellRecord, EpochRecord, Provenance

CellName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""Of a folder below cells/: a run that was made by others must not lead out of its own folder."""

LINKED = ("training", "data")
"""Folders of a cell in which links are expected: those of a framework, and of the joined images of a final
training."""


class RunInfo(BaseModel):
    """run.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1, 2] = 2
    name: str
    layout: str
    """Absolute path of the written dataset; empty where predictions were judged by a COCO json."""
    dataset: str
    """The key of the dataset's content, from its manifest."""
    classes: tuple[str, ...]
    cells: tuple[CellName, ...]
    """In the order in which they run."""
    config: dict[str, Any] | None = None
    """The resolved config when the run began."""
    evaluated: bool = False
    """Predictions of other tools were judged: nothing was trained."""
    images: str | None = None
    """The folder of the test images of such a run, if it was given."""
    provenance: Provenance

    @property
    def test_images(self) -> Path | None:
        """Where the test images are, by the `file_name` of the ground truth; None where that is not known."""
        if self.images:
            return Path(self.images)
        return Path(self.layout) / "images" / "test" if self.layout else None


class SampleImage(BaseModel):
    """A test picture kept for the report, shrunk by `scale` (kept pixels for one of the original's)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_id: int
    file_name: str
    size_wh: tuple[int, int]
    scale: float
    image: str
    """Relative to samples/."""


@dataclass(frozen=True)
class CellFolder:
    """One cell's files."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def spec_path(self) -> Path:
        """CellSpec: what the cell does; written before it starts."""
        return self.root / "cell.json"

    @property
    def record_path(self) -> Path:
        """Written last: a cell with a record is finished."""
        return self.root / "record.json"

    @property
    def history_path(self) -> Path:
        """One row an epoch, see `history_row`."""
        return self.root / "history.csv"

    @property
    def tensorboard_dir(self) -> Path:
        """The history as event files, if the package tensorboard is installed."""
        return self.root / "tensorboard"

    @property
    def log_path(self) -> Path:
        """The output of the cell's process."""
        return self.root / "log.txt"

    @property
    def gates_path(self) -> Path:
        """Results of the gates before training."""
        return self.root / "gates.json"

    @property
    def workdir(self) -> Path:
        """The detector's own folder, with the state of an unfinished training."""
        return self.root / "training"

    @property
    def checkpoint(self) -> Path:
        """The folder that holds the judged weights."""
        return self.root / "best"

    @property
    def fitted_path(self) -> Path:
        """The result of the training; written after its checkpoint."""
        return self.root / "fitted.json"

    @property
    def final(self) -> "CellFolder":
        """The final training on train and val together, if the config has one; see bench.cell.final."""
        return CellFolder(self.root / "final")

    def predictions_path(self, split: SplitName) -> Path:
        """COCO results json: image_id, category_id, bbox (xywh), score."""
        return self.root / f"predictions_{split}.json"

    def matches_path(self, split: SplitName) -> Path:
        """Which prediction found which object: see bench.evaluation.matches."""
        return self.root / f"matches_{split}.npz"

    def record(self) -> CellRecord | None:
        """The record, or None if there is none yet. Raises RunError for a damaged file."""
        if not self.record_path.is_file():
            return None
        try:
            return earlier.read(CellRecord, self.record_path.read_bytes())
        except ValidationError as error:
            raise RunError(
                f"is not a cell record of a known version: {error.errors()[0]['msg']}",
                file=self.record_path,
                hint="to write it again: delete this file, then bench run --resume RUN",
            ) from None

    def history(self) -> list[dict[str, float]]:
        """Rows of history.csv; a figure that an epoch lacks is left out of its row. Raises RunError."""
        if not self.history_path.is_file():
            return []
        try:
            with self.history_path.open(newline="", encoding="utf-8") as file:
                return [
                    {earlier.column(key): _number(text) for key, text in row.items() if text}
                    for row in csv.DictReader(file)
                ]
        except (OSError, TypeError, ValueError, csv.Error) as error:
            raise RunError(
                f"can't be read: {error}", file=self.history_path, hint="delete it: tables go without it"
            ) from None

    def write_history(self, rows: Sequence[dict[str, float]]) -> None:
        """Replace the file by all rows, so that a killed cell leaves complete ones."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        lines = [",".join(columns)]
        lines += [",".join(repr(row[key]) if key in row else "" for key in columns) for row in rows]
        files.write_text(self.history_path, "\n".join(lines) + "\n")


def _number(text: str) -> float:
    """As it was written: a count stays one, so that a resumed history has the same text."""
    return int(text) if text.isdecimal() else float(text)


def history_row(epoch: EpochRecord) -> dict[str, float]:
    """An epoch as one row: `train/NAME`, `val/NAME` losses, `metrics/NAME`, `lr/GROUP`, counts and costs.

    A validation within an epoch is a row with a fractional number of epochs.
    """
    cost = {"images_per_s": epoch.images_per_s, "peak_memory_mib": epoch.peak_memory_mib}
    return {
        "epoch": epoch.epoch if epoch.share == 1 else epoch.epoch - 1 + epoch.share,
        **{f"train/{name}": value for name, value in epoch.train_losses.items()},
        **{f"val/{name}": value for name, value in epoch.val_losses.items()},
        **{f"metrics/{name}": value for name, value in epoch.val_metrics.items()},
        **{f"lr/{name}": value for name, value in epoch.learning_rates.items()},
        "optimizer_steps": epoch.optimizer_steps,
        "images_seen": epoch.images_seen,
        "duration_s": epoch.duration_s,
        **{name: value for name, value in cost.items() if value is not None},
    }


@dataclass(frozen=True)
class RunFolder:
    """One run's files."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> "RunFolder":
        """An existing run. Raises RunError if `root` is not a run, or if a link in it may lead out of it."""
        if not (root / "run.json").is_file():
            raise RunError("is not a run folder: it has no run.json", file=root, hint="bench run makes one")
        for folder, folders, names in os.walk(root):
            for path in (Path(folder) / name for name in (*folders, *names)):
                if path.is_symlink():
                    raise RunError(
                        "is a symbolic link: files of a run are written, and must not lie elsewhere",
                        file=path,
                        hint="put what it points to in its place",
                    )
            folders[:] = [name for name in folders if name not in LINKED]
        return cls(root)

    @classmethod
    def newest(cls, runs: Path) -> "RunFolder":
        """The run below `runs` that was started last, by its run.json; broken runs are passed over.

        Raises RunError where there is none.
        """
        found = []
        for path in sorted(runs.glob("*/run.json")):
            run = cls(path.parent)
            with contextlib.suppress(RunError, ValueError):
                started = datetime.fromisoformat(run.info().provenance.started)
                found.append((started.astimezone(UTC), path, run))
        if not found:
            raise RunError("holds no run yet", file=runs, hint="make one with: bench run")
        return max(found)[-1]

    @property
    def info_path(self) -> Path:
        return self.root / "run.json"

    @property
    def config_path(self) -> Path:
        return self.root / "bench.yaml"

    @property
    def manifest_path(self) -> Path:
        return self.root / "manifest.json"

    @property
    def samples_dir(self) -> Path:
        return self.root / "samples"

    @property
    def results_path(self) -> Path:
        return self.root / "results.csv"

    @property
    def classes_path(self) -> Path:
        return self.root / "classes.csv"

    @property
    def report_path(self) -> Path:
        return self.root / "report.html"

    @property
    def figures_dir(self) -> Path:
        return self.root / "figures"

    def ground_truth_path(self, split: SplitName) -> Path:
        return self.root / "ground_truth" / f"{split}.json"

    @property
    def image_properties_path(self) -> Path:
        return self.root / "ground_truth" / "test_images.csv"

    def cell(self, name: str) -> CellFolder:
        return CellFolder(self.root / "cells" / name)

    def info(self) -> RunInfo:
        """The content of run.json. Raises RunError for that of an unknown version."""
        try:
            return earlier.read(RunInfo, self.info_path.read_bytes())
        except ValidationError as error:
            raise RunError(
                f"is not a run of a known version: {error.errors()[0]['msg']}", file=self.info_path
            ) from None

    def cells(self) -> list[CellFolder]:
        """In the order in which they run."""
        return [self.cell(name) for name in self.info().cells]

    def records(self) -> list[CellRecord]:
        """The records of all finished cells, failed ones included, in the order in which they run."""
        return [record for cell in self.cells() if (record := cell.record()) is not None]

    def manifest(self) -> dict[str, Any]:
        """Raises RunError."""
        manifest: dict[str, Any] = _read_json(self.manifest_path)
        return manifest

    def samples(self) -> list[SampleImage]:
        """Raises RunError."""
        path = self.samples_dir / "samples.json"
        try:
            return [SampleImage.model_validate(item) for item in _read_json(path)]
        except (TypeError, ValidationError) as error:
            raise RunError(f"can't be read: {error}", file=path) from None


def _read_json(path: Path) -> Any:
    """A file of a run, with today's names of keys. Raises RunError."""
    try:
        return earlier.upgrade(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise RunError(
            f"can't be read: {error}",
            file=path,
            hint="copy it from another run on the same data, or run again",
        ) from None
