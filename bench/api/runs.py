"""`bench.run` and `bench.open`: a run, and its tables."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import reports
from bench.api import call, frames
from bench.api.progress import watch
from bench.api.report import Report, report
from bench.config import Overrides, Source, read_config
from bench.errors import ConfigError, RunError
from bench.evaluation import read_results
from bench.jobs import Jobs
from bench.layout import SplitName
from bench.records import CellRecord
from bench.reports.verdict import verdict
from bench.runner import run as runner
from bench.runner.run import RunResult
from bench.store import RunFolder

if TYPE_CHECKING:
    from pandas import DataFrame


def run(
    config: Source = None,
    *,
    models: str | Iterable[str] = (),
    seeds: int | Iterable[int] = (),
    device: str | None = None,
    jobs: Jobs | None = None,
    overrides: Overrides = (),
    progress: bool | None = None,
    command: str | None = None,
) -> "Run":
    """Train and judge every model with every seed, each in a process of its own, and write the report.

    A cell that fails does not end the run: see `Run.failed`.

    Args:
        config: a bench.yaml, its content as a dict, or a folder of data. None takes bench.yaml of the current
            folder, or the embedded default where there is none.
        models: in place of the config's: names in it, families, or 'family:variant'.
        seeds: in place of the config's.
        device: in place of the config's: 'auto', 'cpu', 'cuda', 'cuda:1', 'cuda:0,1' ...
        jobs: trainings that go on at the same time, or 'auto', in place of the config's.
        overrides: other settings in place of the config's: {'train.epochs': 50}.
        progress: None shows it in a notebook and in a terminal, True everywhere, False nowhere.
        command: what the run's record says made it. Default: this call.

    Raises:
        ConfigError: the config is wrong; all its problems are reported together.
        BenchError: the data, the weights or a recipe can't be used; no run folder has been made.
        RunError: a folder can't be written, or the disk is full.
    """
    names, numbers = call.names(models), call.integers(seeds)
    command = command or call.as_text(
        "run", config, models=names, seeds=numbers, device=device, jobs=jobs, overrides=overrides
    )
    settings = read_config(
        call.config_of(config),
        overrides=call.merged(overrides, device=device, jobs=jobs),
        models=names,
        seeds=numbers,
    )
    with watch(progress) as view:
        return Run.of(runner.start(settings, view, command=command))


def open(path: str | os.PathLike[str]) -> "Run":
    """The run in the folder `path`. Raises RunError where there is none."""
    return Run(RunFolder.open(Path(path)))


class Run:
    """A run on disk. Its tables are read when they are asked for, so that they show what is done by then."""

    def __init__(self, folder: RunFolder, comparisons: Sequence[reports.Comparison] = ()) -> None:
        self.folder = folder
        self._comparisons = list(comparisons)

    @classmethod
    def of(cls, result: RunResult) -> "Run":
        """A run that has just ended, with what was computed for its report."""
        return cls(result.run, result.comparisons)

    @property
    def path(self) -> Path:
        return self.folder.root

    @property
    def records(self) -> list[CellRecord]:
        """The record of every finished cell: all that is known of it."""
        return self.folder.records()

    @property
    def verdict(self) -> list[str]:
        """What the report says above its ranking, in sentences; none where no cell is finished."""
        if not self._comparisons and not self.records:
            return []
        found = self._comparisons or reports.compare([self.folder])
        return [line for comparison in found for line in verdict(comparison).lines]

    @property
    def failed(self) -> list[CellRecord]:
        """Records of the cells without valid figures, each with its `failure`."""
        return [record for record in self.records if record.status != "done"]

    @property
    def results(self) -> "DataFrame":
        """One row for each finished cell: status, model, figures on val and test, costs."""
        return frames.results(self.records)

    @property
    def classes(self) -> "DataFrame":
        """One row for each cell, split and class: AP, AP50, AR, number of objects and detections."""
        return frames.classes(self.records)

    @property
    def history(self) -> "DataFrame":
        """One row for each cell and epoch: losses, learning rates, figures on val."""
        return frames.history(self.records, self.folder)

    @property
    def ledger(self) -> "DataFrame":
        """One row for each setting that a cell did not follow as asked: what was used instead, and why."""
        return frames.ledger(self.records)

    def predictions(self, model: str, *, seed: int | None = None, split: SplitName = "test") -> "DataFrame":
        """One row for each detection that was judged, in pixels of the upright image.

        Args:
            model: its name in the config.
            seed: None takes the model's first.
            split: 'val' or 'test'. With `final: train+val`, test is that of the final training.

        Raises:
            RunError: there is no such cell, or it has no predictions.
        """
        coco = self._coco(split)
        return frames.detections(read_results(self.predictions_path(model, seed=seed, split=split)), coco)

    def predictions_path(self, model: str, *, seed: int | None = None, split: SplitName = "test") -> Path:
        """The COCO results json of `predictions`. Raises RunError where there is no such cell."""
        record = self._record(model, seed)
        folder = self.folder.cell(record.cell)
        judged = folder.final if record.final and split == "test" else folder
        return judged.predictions_path(split)

    def ground_truth(self, split: SplitName = "test") -> "DataFrame":
        """One row for each object of 'val' or 'test', in pixels of the upright image."""
        return frames.ground_truth(self._coco(split))

    def checkpoint(self, model: str, *, seed: int | None = None) -> Path:
        """The folder of the weights that were judged on test."""
        record = self._record(model, seed)
        folder = self.folder.cell(record.cell)
        return (folder.final if record.final else folder).checkpoint

    def report(self, output: str | os.PathLike[str] | None = None) -> Report:
        """Write the report, to report.html of the run if not to `output`, and return it.

        A notebook shows the returned page; `.open()` shows it in the browser.
        """
        return report(self.path, output=output)

    def resume(self, *, jobs: Jobs | None = None, progress: bool | None = None) -> "Run":
        """Run the cells that are not done, `jobs` of them at a time.

        Raises RunError where the config or the data has changed.
        """
        with watch(progress) as view:
            return Run.of(runner.resume(self.folder, view, jobs=jobs))

    def _record(self, model: str, seed: int | None) -> CellRecord:
        records = [one for one in self.records if one.share is None]
        found = [one for one in records if one.model == model and seed in (None, one.seed)]
        if found:
            return found[0]
        finished = ", ".join(f"{one.model} with seed {one.seed}" for one in records) or "none yet"
        wanted = model if seed is None else f"{model} with seed {seed}"
        raise RunError("no finished cell", file=self.path, value=wanted, hint=f"finished cells: {finished}")

    def _coco(self, split: SplitName) -> dict[str, Any]:
        path = self.folder.ground_truth_path(split)
        if split not in ("val", "test"):
            raise ConfigError("a run keeps no such split", record="split", value=split, hint="val or test")
        coco: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return coco

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        records = self.records
        done = sum(record.status == "done" for record in records)
        return f"<bench.Run {str(self.path)!r}: {done} of {len(self.folder.info().cells)} cells done>"

    def _repr_html_(self) -> str:
        return reports.run_summary(self.folder)
