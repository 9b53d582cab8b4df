"""Several workers on this machine, each a process of its own: `python -m bench.searching SEARCH`."""

import json
import os
import queue
import subprocess
import sys
import threading

from bench.errors import RunError
from bench.runner.launch import Event
from bench.searching.folder import SearchFolder
from bench.searching.trial import Hear

URL = "BENCH_SEARCH_STORAGE"
"""Environment variable that tells a worker the storage: a password does not belong in a list of processes."""

FAILED = "failed"


def run_workers(folder: SearchFolder, url: str, workers: int, hear: Hear) -> None:
    """Start them, pass on what they tell, until all have ended. A lost one does not stop the others.

    Raises RunError where none was left to finish the trials.
    """
    heard: queue.Queue[Event | None] = queue.Queue()
    processes = [_start(folder, url) for _ in range(workers)]
    try:
        for process in processes:
            threading.Thread(target=_listen, args=(process, heard), daemon=True).start()
        left, told = len(processes), ""
        while left:
            event = heard.get()
            if event is None:
                left -= 1
            elif event["event"] == FAILED:
                told = event["reason"]
            else:
                hear(event)
        codes = [process.wait() for process in processes]
        if all(codes):
            raise RunError(
                f"all {workers} workers have ended early: {told or f'exit codes {codes}'}",
                file=folder.root,
                hint=f"go on with: bench search --resume {folder.root}",
            )
    finally:
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()  # the lifeline: a worker ends, with its cell, when it closes
            process.wait()


def _start(folder: SearchFolder, url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "bench.searching", str(folder.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, URL: url},
        start_new_session=True,  # Ctrl-C reaches the one that watches alone
    )


def _listen(process: "subprocess.Popen[bytes]", heard: "queue.Queue[Event | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        heard.put(json.loads(line))
    heard.put(None)


def tell(event: Event) -> None:
    """A worker's side: one line of JSON."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
