"""Run all cells of a config, or resume a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import config_tree, evaluation, files, reports
from bench.cell.spec import CellSpec
from bench.config import BenchConfig
from bench.datasets import prepare
from bench.devices import Devices
from bench.errors import ConfigError, RunError
from bench.jobs import Jobs, Slot, slots
from bench.layout import SPLITS, Layout
from bench.process import Message
from bench.records import CellRecord
from bench.runner.checks import check_data
from bench.runner.create import create_run, layout_of
from bench.runner.executor import Executor, LocalExecutor
from bench.runner.plan import PlannedCell, plan_cells
from bench.runner.timing import time_cells, untimed
from bench.store import CellFolder, RunFolder, RunInfo


class RunCallbacks(Protocol):
    """Called as a run proceeds."""

    def on_data(self, what: str, done: int, total: int) -> None:
        """Progress of the data's preparation."""
        ...

    def on_run_start(self, run: RunFolder, total: int, left: int) -> None:
        """The run folder exists; `left` of `total` cells are to be run."""
        ...

    def on_cell_start(self, number: int, cell: CellFolder, *, done: bool) -> None:
        """Cell `number`, from 1, starts, or is skipped because it is done."""
        ...

    def on_cell_event(self, cell: CellFolder, event: Message) -> None:
        """An event of a running cell: see bench.cell.monitor."""
        ...

    def on_cell_end(self, record: CellRecord) -> None:
        """A cell has ended. Its cost is measured later."""
        ...

    def on_timing(self, done: int, total: int) -> None:
        """So many steps of the timing of all models are done."""
        ...

    def on_untimed(self, cell: CellFolder) -> None:
        """The timing of this cell broke off: its log says why."""
        ...


@dataclass(frozen=True)
class RunResult:
    """A finished run."""

    run: RunFolder
    records: tuple[CellRecord, ...]
    report: Path
    comparisons: tuple[reports.Comparison, ...]
    """What the report shows: intervals take seconds, so they are computed once."""

    @property
    def failed(self) -> tuple[CellRecord, ...]:
        return tuple(record for record in self.records if record.status == "failed")

    @property
    def invalid(self) -> tuple[CellRecord, ...]:
        return tuple(record for record in self.records if record.status == "invalid")


def start(
    config: BenchConfig, callbacks: RunCallbacks, *, command: str, into: Path | None = None
) -> RunResult:
    """Plan, prepare the data, create the run folder (or `into`), run every cell.

    Raises:
        BenchError: the run is not possible; no run folder has been created.
    """
    cells = plan_cells(config)
    layout = prepare(config.data, config.cache, progress=callbacks.on_data)
    for cell in cells[:: len(config.models)]:  # one for each seed and share
        if cell.share or cell.seed == config.seeds[0]:
            suffix = f", {cell.share} % of train" if cell.share else ""
            same = [(other.model + suffix, other.plan) for other in cells if _data(other) == _data(cell)]
            check_data(config, same, layout_of(cell, layout))
    run = create_run(config, cells, layout, command=command, into=into)
    return _finish(run, callbacks, LocalExecutor(slots(config.devices, config.jobs, len(cells))))


def _data(cell: PlannedCell) -> tuple[int | None, int]:
    """What two cells share that train on the same images."""
    return cell.share, cell.seed


def resume(run: RunFolder, callbacks: RunCallbacks, *, jobs: Jobs | None = None) -> RunResult:
    """Run the cells of a killed or partly failed run that are not done yet.

    `jobs`: in place of those that the run began with.

    Raises:
        RunError: another process works on the run, its config was changed, or its data or images are gone.
        ConfigError: with so many jobs a model would be trained on another number of devices.
    """
    if run.info().evaluated:
        raise RunError(
            "holds predictions of other tools: there is nothing to train",
            file=run.root,
            hint="judge other predictions with: bench evaluate",
        )
    _check_version(run)
    _check_config(run)
    layout = Path(run.info().layout)
    if not (layout / "manifest.json").is_file():
        raise RunError(
            "the prepared dataset of this run is missing",
            file=layout,
            hint=f"start a new one: bench run -c {run.config_path}",
        )
    _check_images(Layout.open(layout))
    for cell in run.cells():
        layout_of(CellSpec.read(cell), Layout.open(layout))
    return _finish(run, callbacks, LocalExecutor(_slots(run, jobs)))


def _slots(run: RunFolder, jobs: Jobs | None) -> tuple[Slot, ...]:
    """What the cells of an existing run get."""
    cells = [CellSpec.read(cell) for cell in run.cells()]
    config = run.info().config or {}
    found = slots(
        Devices.parse(config.get("device", cells[0].device)), jobs or config.get("jobs", 1), len(cells)
    )
    begun, now = cells[0].devices.count, Devices.parse(found[0].device).count
    if begun != now:
        raise ConfigError(
            f"the run began with {begun} devices for each training; now there would be {now}",
            record="jobs",
            value=jobs,
            hint="leave out --jobs",
        )
    return found


def _check_version(run: RunFolder) -> None:
    """Raises RunError for an unfinished run of an older version: its plans are only readable."""
    info = run.info()
    if info.version < RunInfo.model_fields["version"].default and len(run.records()) < len(info.cells):
        raise RunError(
            f"was started by bench {info.provenance.bench} with other setting names, and is not finished",
            file=run.info_path,
            hint="start a new run; `bench report` still shows what is done",
        )


def _check_config(run: RunFolder) -> None:
    """Raises RunError for a changed bench.yaml: cells follow the plan that was made when the run started."""
    planned, path = run.info().config, run.config_path
    if planned is None or not path.is_file():
        return
    now = config_tree.parse(path.read_text(encoding="utf-8"), str(path))
    if changes := config_tree.differences(planned, now):
        raise RunError(
            f"was changed since the run started: {'; '.join(changes)}",
            file=path,
            hint=f"undo the change, or start a new run with it: bench run -c {path}",
        )


def _check_images(layout: Layout) -> None:
    """Raises RunError for a missing image: the layout links to originals, which may have been moved."""
    for split in SPLITS:
        for example in layout.examples(split):
            if not example.path.exists():
                link = example.path.is_symlink()
                raise RunError(
                    "an image of this run is missing",
                    file=example.path.resolve() if link else example.path,
                    hint="put the images back, or start a new run with data.path where they are",
                )


def _finish(run: RunFolder, callbacks: RunCallbacks, executor: Executor) -> RunResult:
    with files.alone(run.root, "run"):
        cells = run.cells()
        numbers = {cell: number for number, cell in enumerate(cells, start=1)}
        left = [cell for cell in cells if not ((record := cell.record()) and record.status == "done")]
        callbacks.on_run_start(run, len(cells), len(left))
        for cell in cells:
            if cell in left:
                cell.record_path.unlink(missing_ok=True)  # of a failed attempt
            else:
                callbacks.on_cell_start(numbers[cell], cell, done=True)

        def end(cell: CellFolder, record: CellRecord) -> None:
            write_tables(run)
            callbacks.on_cell_end(record)

        executor.run(
            left,
            on_start=lambda cell: callbacks.on_cell_start(numbers[cell], cell, done=False),
            on_event=callbacks.on_cell_event,
            on_end=end,
        )
        for cell in time_cells(untimed(cells), callbacks.on_timing):
            callbacks.on_untimed(cell)
        return conclude(run)


def conclude(run: RunFolder) -> RunResult:
    """Write results.csv, classes.csv and the report from the records."""
    records = write_tables(run)
    comparisons = reports.compare([run])
    reports.keep_samples(comparisons)
    report = reports.write_comparisons(comparisons, run.report_path)
    return RunResult(run=run, records=tuple(records), report=report, comparisons=tuple(comparisons))


def write_tables(run: RunFolder) -> list[CellRecord]:
    """Write results.csv and classes.csv of the cells that are finished by now, and return their records."""
    records = run.records()
    evaluation.write_csv(run.results_path, records)
    evaluation.write_classes_csv(run.classes_path, records)
    return records
