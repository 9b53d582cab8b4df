"""Several workers on this machine, each a process of its own: `python -m bench.searching SEARCH`."""

from collections.abc import Sequence
from contextlib import ExitStack

from pydantic import BaseModel, ConfigDict

from bench.errors import RunError
from bench.jobs import Slot
from bench.process import Child, listen
from bench.searching.folder import SearchFolder
from bench.searching.trial import OnEvent

FAILED = "failed"
"""The event of a worker that can't continue."""


class WorkerTask(BaseModel):
    """What a worker is given, on its standard input: a password in the URL must be seen neither in a list of
    processes nor in an environment."""

    model_config = ConfigDict(frozen=True)

    url: str
    """Of the storage."""
    device: str


def run_workers(folder: SearchFolder, url: str, slots: Sequence[Slot], on_event: OnEvent) -> None:
    """Start one in each slot and pass on their events until all have ended.

    A lost one does not stop the others.

    Raises RunError where none was left to finish the trials.
    """
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                Child(
                    "bench.searching",
                    str(folder.root),
                    task=WorkerTask(url=url, device=slot.device).model_dump_json(),
                    defaults=slot.environment,
                )
            )
            for slot in slots
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
            f"all {len(slots)} workers have ended early: {reason}",
            file=folder.root,
            hint=f"continue with: bench search --resume {folder.root}",
        )
