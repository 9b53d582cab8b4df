"""A run from start to end, or from where it was left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import config_tree, evaluation, files, reports
from bench.config import BenchConfig
from bench.datasets import prepare
from bench.errors import RunError
from bench.layout import SPLITS, Layout
from bench.process import Message
from bench.records import CellRecord
from bench.runner.checks import check_data
from bench.runner.create import create_run
from bench.runner.launch import launch
from bench.runner.plan import plan_cells
from bench.store import CellFolder, RunFolder, RunInfo


class Watcher(Protocol):
    """Whoever shows a run to a person."""

    def data(self, what: str, done: int, total: int) -> None:
        """The data's preparation moves on."""
        ...

    def begun(self, run: RunFolder, total: int, left: int) -> None:
        """The folder stands; `left` of `total` cells are to be done."""
        ...

    def cell(self, number: int, cell: CellFolder, *, done: bool) -> None:
        """The cell of that number (from 1) starts, or is skipped as done."""
        ...

    def event(self, event: Message) -> None:
        """The cell under way tells something: see bench.cell.monitor."""
        ...

    def ended(self, record: CellRecord) -> None:
        """The cell under way has ended."""
        ...


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    run: RunFolder
    records: tuple[CellRecord, ...]
    report: Path

    @property
    def failed(self) -> tuple[CellRecord, ...]:
        return tuple(record for record in self.records if record.status == "failed")

    @property
    def invalid(self) -> tuple[CellRecord, ...]:
        return tuple(record for record in self.records if record.status == "invalid")


def start(config: BenchConfig, watcher: Watcher, *, command: str, into: Path | None = None) -> Outcome:
    """Plan, prepare the data, make the folder (`into`, where that is said), run every cell.

    Raises:
        BenchError: what is asked can't be done; no run folder has been made.
    """
    cells = plan_cells(config)
    layout = prepare(config.data, config.cache, progress=watcher.data)
    check_data(config, ((cell.model, cell.plan) for cell in cells[: len(config.models)]), layout)
    return _finish(create_run(config, cells, layout, command=command, into=into), watcher)


def resume(run: RunFolder, watcher: Watcher) -> Outcome:
    """Do what a killed or partly failed run has left; cells that are done are not touched.

    Raises:
        RunError: somebody else works on the run, its config was changed, or its data or pictures are gone.
    """
    _check_version(run)
    _check_config(run)
    layout = Path(run.info().layout)
    if not (layout / "manifest.json").is_file():
        raise RunError(
            "the written dataset of this run is gone",
            file=layout,
            hint=f"begin anew: bench run -c {run.config_path}",
        )
    _check_images(Layout.open(layout))
    return _finish(run, watcher)


def _check_version(run: RunFolder) -> None:
    """The plans of an older version's cells are in its own terms: they can be read, but not trained on."""
    info = run.info()
    if info.version < RunInfo.model_fields["version"].default and len(run.records()) < len(info.cells):
        raise RunError(
            f"was begun by bench {info.provenance.bench} with other names of settings, and is not finished",
            file=run.info_path,
            hint="begin a new run; `bench report` still shows what is done",
        )


def _check_config(run: RunFolder) -> None:
    """Cells go on by what was planned when the run began: a bench.yaml that says otherwise would mislead."""
    begun, path = run.info().config, run.config_path
    if begun is None or not path.is_file():
        return
    now = config_tree.parse(path.read_text(encoding="utf-8"), str(path))
    if changes := config_tree.differences(begun, now):
        raise RunError(
            f"was changed since the run began: {'; '.join(changes)}",
            file=path,
            hint=f"put it back, or begin a new run with it: bench run -c {path}",
        )


def _check_images(layout: Layout) -> None:
    """Pictures of a layout are links where the original could stay: it may have been moved since."""
    for split in SPLITS:
        for example in layout.examples(split):
            if not example.path.exists():
                link = example.path.is_symlink()
                raise RunError(
                    "a picture of this run is gone",
                    file=example.path.readlink() if link else example.path,
                    hint="put the pictures back, or begin anew with data.path where they are",
                )


def _finish(run: RunFolder, watcher: Watcher) -> Outcome:
    with files.alone(run.root, "run"):
        cells = run.cells()
        done = {cell.name for cell in cells if (record := cell.record()) and record.status == "done"}
        watcher.begun(run, len(cells), len(cells) - len(done))
        for number, cell in enumerate(cells, start=1):
            watcher.cell(number, cell, done=cell.name in done)
            if cell.name not in done:
                cell.record_path.unlink(missing_ok=True)  # a failure of an earlier try
                watcher.ended(launch(cell, watcher.event))
        return conclude(run)


def conclude(run: RunFolder) -> Outcome:
    """Write results.csv and the report from the records that are there."""
    records = run.records()
    evaluation.write_csv(run.results_path, records)
    evaluation.write_classes_csv(run.classes_path, records)
    if records:
        reports.keep_samples(run)
    report = reports.write_report([run], run.report_path)
    return Outcome(run=run, records=tuple(records), report=report)
