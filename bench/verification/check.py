"""The outcome of one check."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bench.errors import BenchError

Outcome = Literal["ok", "differs", "skipped"]


@dataclass(frozen=True)
class Check:
    """What was checked, of what, and what was found."""

    subject: str
    """A cell and split, a file, or 'data'."""
    name: str
    outcome: Outcome
    detail: str


def compared(subject: str, name: str, differences: list[str], agreed: str) -> Check:
    """'differs' with the first of `differences`, 'ok' with what agreed where there are none."""
    if not differences:
        return Check(subject, name, "ok", agreed)
    more = f" (and {len(differences) - 1:,} more)" if len(differences) > 1 else ""
    return Check(subject, name, "differs", differences[0] + more)


def guarded(subject: str, name: str, checks: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """All of `checks`; a file that can't be read is a difference, not the end."""
    try:
        yield from checks()
    except (BenchError, OSError, ValueError, KeyError) as error:
        yield Check(subject, name, "differs", str(error).replace("\n", " "))
