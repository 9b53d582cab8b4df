"""One cell in a process of its own."""

from collections.abc import Callable
from pathlib import Path

from bench import memory
from bench.cell.spec import CellSpec
from bench.cell.work import failed_record, write_record
from bench.jobs import Slot
from bench.process import Child, Exit, Message
from bench.records import CellRecord, FailureKind
from bench.store import CellFolder

ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    # OpenMP threads that wait spin for long by default, and starve whatever else runs on the cores: a step of
    # the tiny DETR on two cores took 35 ms alone and 99 ms beside one busy process. Spinning briefly costs
    # nothing (32 ms alone); not at all (OMP_WAIT_POLICY=PASSIVE) costs double (63 ms).
    "GOMP_SPINCOUNT": "1000",
}
"""For a cell's process, where the user has not set these variables."""


class CellProcess:
    """A cell that is being run. It has to be ended."""

    def __init__(self, folder: CellFolder, slot: Slot | None = None) -> None:
        """Start it, on the slot's device where one is given."""
        self.folder = folder
        if slot is not None:
            spec = CellSpec.read(folder)
            if spec.device != slot.device:
                spec.model_copy(update={"device": slot.device}).write(folder)
        with folder.log_path.open("ab") as log:
            self.child = Child(
                "bench.cell",
                str(folder.root),
                output=log,
                defaults={**ENVIRONMENT, **(slot.environment if slot else {})},
            )

    def end(self) -> CellRecord:
        """End the process, and return the cell's record, whether it succeeded or failed.

        A process that died without a record (killed, out of memory, a crash in native code) gets a failed
        one.
        """
        outcome = self.child.end()
        return self.folder.record() or _died(self.folder, outcome)


def launch(folder: CellFolder, on_event: Callable[[Message], None], slot: Slot | None = None) -> CellRecord:
    """Run the cell and return its record, whether it succeeds or fails.

    `on_event` gets what the cell reports, see `bench.cell.monitor`; an exception that it raises ends the
    cell. On KeyboardInterrupt the cell is ended, and its state is kept for `--resume`.
    """
    cell = CellProcess(folder, slot)
    with cell.child:
        for event in cell.child.messages():
            on_event(event)
        return cell.end()


def _died(folder: CellFolder, outcome: Exit) -> CellRecord:
    """The record of a cell whose process left none, written."""
    spec = CellSpec.read(folder)
    kind: FailureKind = "error"
    reason = f"the process {outcome}"
    if outcome.killed:
        kind = "out_of_memory"
        reason += ": out of memory, or killed by hand"
    elif not outcome.by_signal:
        reason += " and left no record"
    reason += f"; the last line of its log: {_last_line(folder.log_path)}"
    if kind == "out_of_memory":
        recipe = spec.plan.recipe
        change = memory.hint(recipe, spec.device, spec.devices.count)
        reason += f"; asked for: {memory.asked(recipe)}\n  Hint: {change}"
    record = failed_record(folder, spec, stage="process", reason=reason, kind=kind)
    write_record(folder, record)
    return record


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "(empty)"
