"""The processes that train one model together with the cell's own: started, watched, and ended with it.

The cell's process is rank 0: it judges, tells and writes. Each further device has a helper, `python -m
bench.cell.rank`, which builds the same detector and calls the same `fit`. Its standard input is its lifeline.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench import files, memory
from bench.cell.spec import CellSpec
from bench.detector import FitContext, World
from bench.errors import BenchError, RunError

POLL_S = 0.1
GRACE_S = 5.0
"""Seconds that rank 0 gets to notice by itself that another rank is gone; on a GPU it may wait for ever."""


class Job(BaseModel):
    """What a helper is to do; JOB.json."""

    model_config = ConfigDict(frozen=True)

    spec: CellSpec
    layout: Path
    workdir: Path
    device: str
    rank: int
    size: int
    judged: bool
    """Whether rank 0 validates: the others then wait for it."""
    rendezvous: Path
    word: Path
    """Where it writes why it failed: LastWord."""


class LastWord(BaseModel):
    """Why a helper failed."""

    model_config = ConfigDict(frozen=True)

    reason: str
    lacking: bool
    """Whether memory was not enough."""
    misses: bool
    """Whether all it knows is that another rank is gone."""


class Helpers:
    """The other ranks of one training."""

    def __init__(self, jobs: Sequence[tuple[Job, Path]]) -> None:
        self._jobs = [job for job, _ in jobs]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.cell.rank", str(path)],
                stdin=subprocess.PIPE,
            )
            for _, path in jobs
        ]

    def failure(self) -> RunError | None:
        """What is known of the first helper that has ended badly; Lacking, where memory was not enough."""
        ended = [(job, process.poll()) for job, process in zip(self._jobs, self._processes, strict=True)]
        known = [_failure(job, code) for job, code in ended if code]
        known.sort(key=lambda pair: pair[0])
        return known[0][1] if known else None

    def end(self, *, wait_s: float) -> None:
        """Give them so long to end by themselves, then end them."""
        until = time.monotonic() + wait_s
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
            if process.stdin:
                process.stdin.close()  # the lifeline
        for process in self._processes:
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def together(
    spec: CellSpec,
    layout: Path,
    context: FitContext,
    devices: Sequence[str],
    give_up: Callable[[Exception], None],
) -> Iterator[World]:
    """Inside, a helper runs on each of `devices` but the first; what is given is the caller's own place.

    Raises RunError where a helper fails. Should the caller still wait for it then, `give_up` is told why, in
    a thread, and this process ends.
    """
    if len(devices) == 1:
        yield World()
        return
    with tempfile.TemporaryDirectory(prefix="bench-ranks-") as room:
        rendezvous = Path(room) / "rendezvous"
        jobs = []
        for rank, device in enumerate(devices[1:], start=1):
            job = Job(
                spec=spec,
                layout=layout,
                workdir=context.workdir,
                device=device,
                rank=rank,
                size=len(devices),
                judged=context.score_val is not None,
                rendezvous=rendezvous,
                word=Path(room) / f"word-{rank}.json",
            )
            path = Path(room) / f"job-{rank}.json"
            files.write_text(path, job.model_dump_json())
            jobs.append((job, path))
        helpers = Helpers(jobs)
        over = threading.Event()
        watch = threading.Thread(target=_watch, args=(helpers, over, give_up), daemon=True)
        watch.start()
        wait_s = 0.0
        try:
            yield World(0, len(devices), rendezvous)
            wait_s = GRACE_S
        except Exception as error:
            failure = _soon(helpers.failure) if _misses(error) else None
            if failure is None:
                raise
            raise failure from error
        finally:
            over.set()
            watch.join()
            helpers.end(wait_s=wait_s)


def _watch(helpers: Helpers, over: threading.Event, give_up: Callable[[Exception], None]) -> None:
    while not over.wait(POLL_S):
        if helpers.failure() is None:
            continue
        if over.wait(GRACE_S):
            return
        if failure := helpers.failure():
            give_up(failure)
        helpers.end(wait_s=0.0)
        os._exit(1)  # the training itself hangs in a call that nothing interrupts


def _failure(job: Job, code: int) -> tuple[bool, RunError]:
    """Why a helper has ended, and whether that is only because another rank had."""
    lost = f"the training lost one of its devices: rank {job.rank} on {job.device}"
    recipe = job.spec.plan.recipe
    if code == -signal.SIGKILL:  # what the system sends where memory is short
        told = f"{lost} was ended by signal 9: out of memory, or killed by hand; asked for: "
        change = memory.hint(recipe, job.device, job.size)
        return False, memory.Lacking(told + memory.asked(recipe), hint=change)
    if code < 0:
        return False, RunError(f"{lost} was ended by signal {-code}")
    if not job.word.is_file():
        return False, RunError(f"{lost} failed: it left no word")
    word = LastWord.model_validate_json(job.word.read_bytes())
    return word.misses, (memory.Lacking if word.lacking else RunError)(f"{lost} failed: {word.reason}")


def _misses(error: Exception) -> bool:
    """Whether `error` is that of a rank whose message to another, or from it, did not come through."""
    return type(error).__name__.startswith("Dist") or (  # torch's own: DistNetworkError, DistBackendError ...
        isinstance(error, RuntimeError) and any(word in str(error) for word in ("gloo", "NCCL"))
    )


def _soon(ask: Callable[[], RunError | None]) -> RunError | None:
    """The first answer within GRACE_S."""
    until = time.monotonic() + GRACE_S
    while (answer := ask()) is None and time.monotonic() < until:
        time.sleep(POLL_S)
    return answer


def tell(job: Job, error: Exception) -> None:
    """For a helper: why it fails, to its cell and to the log."""
    traceback.print_exc()
    lacking = memory.is_lacking(error)
    if isinstance(error, BenchError):
        reason = str(error)
    elif lacking:
        reason = memory.reason(error, job.spec.plan.recipe, job.device, job.size)
    else:
        reason = f"{type(error).__name__}: {error}"
    word = LastWord(reason=reason, lacking=lacking, misses=_misses(error))
    files.write_text(job.word, word.model_dump_json())
