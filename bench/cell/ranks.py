"""The processes that train one model together with the cell's own: started, watched, and ended with it.

The cell's process is rank 0: it judges, tells and writes. Each further device has a helper, `python -m
bench.cell.rank`, which builds the same detector and calls the same `fit`. Its standard input is its lifeline.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench import files
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
    meeting: Path
    reason: Path
    """Where it writes why it failed."""


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

    def failure(self) -> str | None:
        """What is known of the first helper that has ended badly."""
        ended = [(job, process.poll()) for job, process in zip(self._jobs, self._processes, strict=True)]
        failed = [(job, code) for job, code in ended if code]
        # One that was killed leaves no reason; what others say then is that they miss it.
        for job, code in sorted(failed, key=lambda pair: pair[1] or 0):
            where = f"rank {job.rank} on {job.device}"
            if code is not None and code < 0:
                return f"{where} was ended by signal {-code}: out of memory, or killed by hand"
            told = job.reason.read_text(encoding="utf-8") if job.reason.is_file() else "it left no word"
            return f"{where} failed: {told}"
        return None

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
    give_up: Callable[[str], None],
) -> Iterator[World]:
    """Inside, a helper runs on each of `devices` but the first; what is given is the caller's own place.

    Raises RunError where a helper fails. Should the caller still wait for it then, `give_up` is told why, in
    a thread, and this process ends.
    """
    if len(devices) == 1:
        yield World()
        return
    with tempfile.TemporaryDirectory(prefix="bench-ranks-") as room:
        meeting = Path(room) / "meeting"
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
                meeting=meeting,
                reason=Path(room) / f"reason-{rank}.txt",
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
            yield World(0, len(devices), meeting)
            wait_s = GRACE_S
        except BenchError:
            raise
        except Exception as error:
            reason = _soon(helpers.failure)
            if reason is None:
                raise
            raise RunError(f"the training lost one of its devices: {reason}") from error
        finally:
            over.set()
            watch.join()
            helpers.end(wait_s=wait_s)


def _watch(helpers: Helpers, over: threading.Event, give_up: Callable[[str], None]) -> None:
    while not over.wait(POLL_S):
        if helpers.failure() is None:
            continue
        if over.wait(GRACE_S):
            return
        reason = f"the training lost one of its devices: {helpers.failure()}"
        give_up(reason)
        helpers.end(wait_s=0.0)
        os._exit(1)  # the training itself hangs in a call that nothing interrupts


def _soon(ask: Callable[[], str | None]) -> str | None:
    """The first answer within GRACE_S."""
    until = time.monotonic() + GRACE_S
    while (answer := ask()) is None and time.monotonic() < until:
        time.sleep(POLL_S)
    return answer


def tell_reason(path: Path, error: Exception) -> None:
    """For a helper: why it fails, to its cell and to the log."""
    traceback.print_exc()
    files.write_text(
        path, str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
    )
