"""`bench.verify`: is a stored run what it says?"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import verification
from bench.api import frames
from bench.api.screens import open_screen
from bench.store import RunFolder
from bench.verification import Check

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Verification:
    """What `bench.verify` found."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing differs; a check that could not be made is no difference."""
        return not self.differing

    @property
    def differing(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.outcome == "differs")

    @property
    def table(self) -> "DataFrame":
        """One row for each check."""
        return frames.frame(self.checks, tuple(Check.__dataclass_fields__))

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False))


def verify(run: str | os.PathLike[str], *, progress: bool | None = None) -> Verification:
    """Judge all stored predictions again, with pycocotools and torchmetrics too, and check files and data.

    docs/evaluate.md lists the checks. Nothing is written into the run. Raises RunError where there is no run.
    """
    folder = RunFolder.open(Path(run))
    with open_screen(progress) as screen:

        def show(what: str, done: int, total: int) -> None:
            screen.bar(f"data: {what}", done, total)

        return Verification(tuple(verification.verify(folder, show)))
