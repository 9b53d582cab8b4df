"""Several workers on this machine, each a process of its own: `python -m bench.searching SEARCH`."""

from contextlib import ExitStack

from bench.errors import RunError
from bench.process import Child, listen
from bench.searching.folder import SearchFolder
from bench.searching.trial import OnEvent

FAILED = "failed"
"""The event of a worker that can't go on."""


def run_workers(folder: SearchFolder, url: str, workers: int, on_event: OnEvent) -> None:
    """Start them and pass on their events until all have ended. A lost one does not stop the others.

    Raises RunError where none was left to finish the trials.
    """
    with ExitStack() as stack:
        children = [
            stack.enter_context(Child("bench.searching", str(folder.root), task=url)) for _ in range(workers)
        ]
        reason = ""
        for _, event in listen(children):
            if event["event"] == FAILED:
                reason = event["reason"]
            else:
                on_event(event)
        outcomes = [child.end() for child in children]
    if not any(outcome.ok for outcome in outcomes):
        reason = reason or ", ".join(f"one {outcome}" for outcome in outcomes)
        raise RunError(
            f"all {workers} workers have ended early: {reason}",
            file=folder.root,
            hint=f"go on with: bench search --resume {folder.root}",
        )
