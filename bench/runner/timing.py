"""The last stage of a run: what the models cost, measured when no cell of the run is running.

All models of a seed are loaded, each in a process of its own, and take turns, a round of images each: what
else the machine does at some moment meets them all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

from bench.cell.timing import ROUNDS
from bench.cell.work import write_record
from bench.process import Child, Message
from bench.records import CellRecord, Efficiency
from bench.runner.launch import ENVIRONMENT
from bench.store import CellFolder

REQUESTS = ("load", *["latency"] * ROUNDS, "throughput", "result")
"""To each process, see bench.cell.timed."""


@dataclass(frozen=True)
class JudgedCell:
    """A cell that has figures."""

    folder: CellFolder
    record: CellRecord


def untimed(cells: Iterable[CellFolder]) -> list[JudgedCell]:
    """The cells that have figures, and no cost yet; those that trained on a share of the images have none."""
    found = ((cell, cell.record()) for cell in cells)
    return [
        JudgedCell(cell, record)
        for cell, record in found
        if record and record.val and not record.share and not record.efficiency
    ]


def time_cells(cells: Sequence[JudgedCell], on_step: Callable[[int, int], None]) -> list[CellFolder]:
    """Write `efficiency` into their records. Returns the cells that can't be timed: their logs say why.

    `on_step` is called with the number of steps done, and of how many.
    """
    lost: list[CellFolder] = []
    done = 0
    for _, of_seed in groupby(cells, key=lambda cell: cell.record.seed):
        for missing in _time_in_turns(list(of_seed)):
            lost += missing
            done += 1
            on_step(done, len(cells) * len(REQUESTS))
    return lost


def _time_in_turns(cells: Sequence[JudgedCell]) -> Iterator[list[CellFolder]]:
    """Time these together. Yields after each step: the cell whose process has died in it, if any."""
    with ExitStack() as stack:
        processes = [(cell, _start(cell.folder, stack)) for cell in cells]
        for request in REQUESTS:
            for cell, child in processes:
                if child.poll() is not None:
                    yield []
                    continue
                child.send({"do": request})
                answer = _answer(child)
                if answer is None:
                    yield [cell.folder]
                    continue
                if request == "result":
                    efficiency = Efficiency.model_validate(answer["efficiency"])
                    write_record(cell.folder, cell.record.model_copy(update={"efficiency": efficiency}))
                yield []


def _start(folder: CellFolder, stack: ExitStack) -> Child:
    log = stack.enter_context(folder.log_path.open("ab"))
    return stack.enter_context(Child("bench.cell.timed", str(folder.root), output=log, defaults=ENVIRONMENT))


def _answer(child: Child) -> Message | None:
    """The answer to the one request that is open; None where the process dies over it."""
    return next(child.messages(), None)
