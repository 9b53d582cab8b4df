"""Run one cell in a process of its own, and hear what it tells."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import memory
from bench.cell.device import how_many
from bench.cell.spec import CellSpec
from bench.cell.work import failed_record, write_record
from bench.records import CellRecord, FailureKind
from bench.store import CellFolder

Event = dict[str, Any]

ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    # OpenMP threads that wait spin for long by default, and starve whatever else runs on the cores: a step of
    # the tiny DETR on two cores took 35 ms alone and 99 ms beside one busy process. Spinning briefly costs
    # nothing (32 ms alone); not at all (OMP_WAIT_POLICY=PASSIVE) costs double (63 ms).
    "GOMP_SPINCOUNT": "1000",
}
"""For a cell's process, where the user has not said otherwise."""

POLL_S = 0.1
GRACE_S = 10.0
"""Seconds that an interrupted cell gets to end by itself."""


def launch(folder: CellFolder, hear: Callable[[Event], None]) -> CellRecord:
    """Run the cell to its end, well or badly, and return its record.

    A process that dies without a record (killed, out of memory, a crash in native code) gets a failed one.
    On KeyboardInterrupt the cell is ended and keeps its state for `--resume`.
    """
    folder.events_path.unlink(missing_ok=True)
    with folder.log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.cell", str(folder.root), "--lifeline"],
            stdin=subprocess.PIPE,  # the lifeline: it closes when this process ends, however that happens
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, **os.environ},
            start_new_session=True,  # Ctrl-C reaches the runner alone, which then ends the whole group
        )
        try:
            events = follow(folder.events_path)
            while process.poll() is None:
                _pass_on(events, hear)
                time.sleep(POLL_S)
            _pass_on(events, hear)
        finally:
            _end(process)
    return folder.record() or _died(folder, process.returncode)


def follow(path: Path) -> Iterator[Event | None]:
    """Events as they are appended; None when there is no whole new line at the moment."""
    offset = 0
    while True:
        chunk = b""
        if path.is_file():
            with path.open("rb") as file:
                file.seek(offset)
                chunk = file.read()
        whole = chunk.rfind(b"\n") + 1
        offset += whole
        for line in chunk[:whole].splitlines():
            yield json.loads(line)
        yield None


def _pass_on(events: Iterator[Event | None], hear: Callable[[Event], None]) -> None:
    while (event := next(events)) is not None:
        hear(event)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Take the whole process group down: data-loading workers must not outlive their cell."""
    for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(wait_s)
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()
    if process.stdin:
        process.stdin.close()


def _died(folder: CellFolder, code: int) -> CellRecord:
    spec = CellSpec.read(folder)
    kind: FailureKind = "error"
    if code < 0:
        name = signal.Signals(-code).name
        reason = f"the process was ended by {name}"
        if -code == signal.SIGKILL:
            kind = "out_of_memory"
            reason += ": out of memory, or killed by hand"
    else:
        reason = f"the process ended with code {code} and left no record"
    reason += f"; its last words: {_last_line(folder.log_path)}"
    if kind == "out_of_memory":
        recipe = spec.plan.recipe
        change = memory.hint(recipe, spec.device, how_many(spec.device))
        reason += f"; asked for: {memory.asked(recipe)}\n  Hint: {change}"
    record = failed_record(folder, spec, stage="process", reason=reason, kind=kind)
    write_record(folder, record)
    return record


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "(none)"
