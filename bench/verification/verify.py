"""All checks of a run, one after the other."""

from collections.abc import Iterator

from bench.datasets.progress import ProgressCallback, silent
from bench.errors import BenchError
from bench.records import CellRecord
from bench.store import CellFolder, RunFolder
from bench.verification.check import Check, guarded
from bench.verification.data import check_data
from bench.verification.outputs import check_history, check_outputs
from bench.verification.predictions import check_cell


def verify(run: RunFolder, progress: ProgressCallback = silent) -> Iterator[Check]:
    """Check by check, as they are made. Nothing is written into the run.

    Raises RunError if `run` is no run of a known version.
    """
    cells = run.cells()
    yield from guarded("data", "manifest", lambda: check_data(run, progress))
    records: list[CellRecord] = []
    for cell in cells:
        record = _record(cell)
        if isinstance(record, Check):
            yield record
            continue
        records.append(record)
        if record.status == "done":
            yield from guarded(record.cell, "figures", lambda record=record: check_cell(run, record))  # type: ignore[misc]
            yield from guarded(record.cell, "history", lambda record=record: check_history(run, record))  # type: ignore[misc]
    yield from guarded("run", "tables", lambda: check_outputs(run, records))


def _record(cell: CellFolder) -> CellRecord | Check:
    try:
        found = cell.record()
    except BenchError as error:
        return Check(cell.name, "record", "differs", str(error).replace("\n", " "))
    return found or Check(cell.name, "record", "skipped", "the cell is not finished")
