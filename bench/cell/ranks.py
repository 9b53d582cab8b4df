"""The processes that train one model together with the cell's own: started, watched, and ended with it.

The cell's process is rank 0, which validates, reports and writes. On each further device a process of its
own, `python -m bench.cell.rank`, builds the same detector and calls the same `fit`.
"""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench import memory
from bench.cell.spec import CellSpec
from bench.detector import FitContext, World
from bench.errors import BenchError, RunError
from bench.process import POLL_S, Child, Exit

GRACE_S = 5.0
"""Seconds that rank 0 gets to notice by itself that another rank is gone; on a GPU it may wait for ever."""


class RankTask(BaseModel):
    """What the process of one rank is to do."""

    model_config = ConfigDict(frozen=True)

    spec: CellSpec
    layout: Path
    workdir: Path
    device: str
    rank: int
    size: int
    validates: bool
    """Whether rank 0 validates: the others then wait for it."""
    rendezvous: Path


class FailureReport(BaseModel):
    """Why a rank failed, as it reports it to rank 0."""

    model_config = ConfigDict(frozen=True)

    reason: str
    out_of_memory: bool
    lost_peer: bool
    """Whether it only noticed that another rank is gone."""


class OtherRanks:
    """The processes of all ranks but 0."""

    def __init__(self, tasks: Sequence[RankTask]) -> None:
        self._ranks = [
            (task, Child("bench.cell.rank", str(task.rank), task=task.model_dump_json(), own_session=False))
            for task in tasks
        ]
        self._reports: dict[int, FailureReport] = {}
        self._reading = threading.Lock()

    def failure(self) -> RunError | None:
        """The error of the first rank that failed, of those that only lost a peer last; None for none."""
        with self._reading:
            failed = [(task, child, outcome) for task, child in self._ranks if (outcome := _bad(child))]
            for task, child, _ in failed:
                for message in child.arrived():
                    self._reports[task.rank] = FailureReport.model_validate(message)
            reports = [(task, outcome, self._reports.get(task.rank)) for task, _, outcome in failed]
        reports.sort(key=lambda entry: entry[2] is not None and entry[2].lost_peer)
        return _failure(*reports[0]) if reports else None

    def end(self, *, wait_s: float) -> None:
        """Give them `wait_s` to end by themselves, then end them."""
        until = time.monotonic() + wait_s
        for _, child in self._ranks:
            child.wait(max(0.0, until - time.monotonic()))
        for _, child in self._ranks:
            child.end(GRACE_S)


@contextlib.contextmanager
def other_ranks(
    spec: CellSpec,
    layout: Path,
    context: FitContext,
    devices: Sequence[str],
    give_up: Callable[[Exception], None],
) -> Iterator[World]:
    """Inside, one rank runs on each of `devices` but the first, where the caller is rank 0 of the given
    World.

    Raises RunError where another rank fails. Where the caller is still blocked in its training then,
    `give_up` is called with the error, in a thread, and this process exits.
    """
    if len(devices) == 1:
        yield World()
        return
    with tempfile.TemporaryDirectory(prefix="bench-ranks-") as folder:
        rendezvous = Path(folder) / "rendezvous"
        tasks = [
            RankTask(
                spec=spec,
                layout=layout,
                workdir=context.workdir,
                device=device,
                rank=rank,
                size=len(devices),
                validates=context.score_val is not None,
                rendezvous=rendezvous,
            )
            for rank, device in enumerate(devices[1:], start=1)
        ]
        ranks = OtherRanks(tasks)
        finished = threading.Event()
        monitor = threading.Thread(target=_watch, args=(ranks, finished, give_up), daemon=True)
        monitor.start()
        wait_s = 0.0
        try:
            yield World(0, len(devices), rendezvous)
            wait_s = GRACE_S
        except Exception as error:
            failure = _poll(ranks.failure) if _lost_peer(error) else None
            if failure is None:
                raise
            raise failure from error
        finally:
            finished.set()
            monitor.join()
            ranks.end(wait_s=wait_s)


def _watch(ranks: OtherRanks, finished: threading.Event, give_up: Callable[[Exception], None]) -> None:
    while not finished.wait(POLL_S):
        if ranks.failure() is None:
            continue
        if finished.wait(GRACE_S):
            return
        if failure := ranks.failure():
            give_up(failure)
        ranks.end(wait_s=0.0)
        os._exit(1)  # the training itself hangs in a call that nothing interrupts


def _bad(child: Child) -> Exit | None:
    outcome = child.poll()
    return None if outcome is None or outcome.ok else outcome


def _failure(task: RankTask, outcome: Exit, report: FailureReport | None) -> RunError:
    lost = f"the training lost one of its devices: rank {task.rank} on {task.device}"
    recipe = task.spec.plan.recipe
    if outcome.killed:
        reason = f"{lost} {outcome}: out of memory, or killed by hand; asked for: {memory.asked(recipe)}"
        return memory.OutOfMemoryError(reason, hint=memory.hint(recipe, task.device, task.size))
    if report is None:
        return RunError(f"{lost} {outcome}")
    return (memory.OutOfMemoryError if report.out_of_memory else RunError)(f"{lost} failed: {report.reason}")


def _lost_peer(error: Exception) -> bool:
    """Whether `error` says that the connection to another rank broke."""
    return type(error).__name__.startswith("Dist") or (  # torch's own: DistNetworkError, DistBackendError ...
        isinstance(error, RuntimeError) and any(name in str(error) for name in ("gloo", "NCCL"))
    )


def _poll(question: Callable[[], RunError | None]) -> RunError | None:
    """The first answer within GRACE_S."""
    until = time.monotonic() + GRACE_S
    while (answer := question()) is None and time.monotonic() < until:
        time.sleep(POLL_S)
    return answer


def failure_report(task: RankTask, error: Exception) -> FailureReport:
    """What a rank reports of the error that ends it."""
    out_of_memory = memory.is_out_of_memory(error)
    if isinstance(error, BenchError):
        reason = str(error)
    elif out_of_memory:
        reason = memory.reason(error, task.spec.plan.recipe, task.device, task.size)
    else:
        reason = f"{type(error).__name__}: {error}"
    return FailureReport(reason=reason, out_of_memory=out_of_memory, lost_peer=_lost_peer(error))
