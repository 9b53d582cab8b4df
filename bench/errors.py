"""Every mistake a user can make, as one small tree.

    BenchError
    ├── ConfigError     bench.yaml, --set, the command line
    ├── DataError       pictures, annotations, class tables, splits
    ├── WeightsError    weights that are missing, foreign or do not fit
    ├── RecipeError     a recipe that a detector can't follow
    └── RunError        a run folder, a cell, a report

The command line prints the message and exits with code 2; it shows no traceback. A fault of ours is
any other exception, and keeps its traceback.
"""

from collections.abc import Sequence
from pathlib import Path


class BenchError(Exception):
    """A mistake that the user can mend: where it is, what stands there, and what to do about it."""

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        record: str | None = None,
        value: object = None,
        hint: str | None = None,
    ) -> None:
        """`record` names the row, the annotation or the key; `value` is what was found there."""
        self.file = file
        self.record = record
        self.value = value
        self.hint = hint
        place = ", ".join(str(part) for part in (file, record) if part is not None)
        text = f"{place}: {message}" if place else message
        if value is not None:
            text += f" (found: {value!r})"
        if hint:
            text += f"\n  Hint: {hint}"
        super().__init__(text)


class ConfigError(BenchError):
    """bench.yaml, an override or a command-line argument is wrong."""


class DataError(BenchError):
    """The source can't be read as it claims to be."""


class WeightsError(BenchError):
    """Weights are missing, foreign, or do not fit the model."""


class RecipeError(BenchError):
    """A recipe asks a detector for what it can't do."""


class RunError(BenchError):
    """A run folder is missing, in use, or does not fit what is asked of it."""


def together(problems: Sequence[BenchError]) -> BenchError:
    """One error that reports all `problems`, in order, with the class of the first."""
    if len(problems) == 1:
        return problems[0]
    lines = "\n".join(f"- {problem}" for problem in problems)
    return type(problems[0])(f"{len(problems)} problems:\n{lines}")
