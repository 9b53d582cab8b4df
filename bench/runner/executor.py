"""Where cells run: so many at the same time, each in a process of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from bench import memory
from bench.cell.spec import CellSpec
from bench.jobs import Slot
from bench.process import Message, wait_for_any
from bench.records import CellRecord
from bench.runner.launch import CellProcess
from bench.store import CellFolder

OnStart = Callable[[CellFolder], None]
OnEvent = Callable[[CellFolder, Message], None]
OnEnd = Callable[[CellFolder, CellRecord], None]

LEAST_FREE_MIB = 1024.0
"""Memory that must be free before another cell starts, or what the largest cell of this run has taken."""


class Executor(Protocol):
    """A place where cells run."""

    def run(
        self, cells: Sequence[CellFolder], *, on_start: OnStart, on_event: OnEvent, on_end: OnEnd
    ) -> None:
        """Run them all. Each gets `on_start`, its events (see bench.cell.monitor), and `on_end`.

        An exception that one of these raises, and KeyboardInterrupt, end the cells under way; they can be
        resumed.
        """
        ...


class LocalExecutor:
    """Runs cells on this machine, one in each slot at a time."""

    def __init__(
        self, slots: Sequence[Slot], *, free_mib: Callable[[], float] = lambda: memory.free_mib("cpu")
    ) -> None:
        self._slots = slots
        self._free_mib = free_mib
        self._largest_mib = LEAST_FREE_MIB

    def run(
        self, cells: Sequence[CellFolder], *, on_start: OnStart, on_event: OnEvent, on_end: OnEnd
    ) -> None:
        waiting = list(cells)
        free = list(self._slots)
        with _ending() as running:
            while waiting or running:
                while free and (cell := self._next(waiting, running)):
                    waiting.remove(cell)
                    on_start(cell)
                    slot = free.pop(0)
                    running[CellProcess(cell, slot)] = slot
                for process in list(running):
                    ended = process.child.poll() is not None  # asked first: what it sent before is still read
                    for event in process.child.arrived():
                        self._note_memory(event)
                        on_event(process.folder, event)
                    if ended:
                        free.append(running.pop(process))
                        on_end(process.folder, process.end())
                if running:
                    wait_for_any([process.child for process in running])

    def _next(self, waiting: Sequence[CellFolder], running: "dict[CellProcess, Slot]") -> CellFolder | None:
        """The cell that can start now, if any."""
        if not running:
            return next(iter(waiting), None)
        if self._free_mib() < self._largest_mib:
            return None
        measuring = {spec.model for process in running if _is_open(spec := CellSpec.read(process.folder))}
        return next((cell for cell in waiting if not _must_wait(cell, measuring)), None)

    def _note_memory(self, event: Message) -> None:
        self._largest_mib = max(self._largest_mib, event.get("peak_memory_mib") or 0.0)


def _is_open(spec: CellSpec) -> bool:
    """Whether the batch size is still to be measured."""
    return spec.plan.recipe.batch_size == "auto"


def _must_wait(cell: CellFolder, measuring: set[str]) -> bool:
    """Whether another seed of the model is measuring the batch size that this one will use, too."""
    return bool(measuring) and _is_open(spec := CellSpec.read(cell)) and spec.model in measuring


@contextmanager
def _ending() -> Iterator[dict[CellProcess, Slot]]:
    """Processes with their slots; those that are left are ended."""
    running: dict[CellProcess, Slot] = {}
    try:
        yield running
    finally:
        for process in running:
            process.child.end()
