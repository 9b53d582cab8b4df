"""Exceptions for mistakes that a user can correct.

    BenchError
    ├── ConfigError     bench.yaml, --set, the command line
    ├── DataError       images, annotations, class tables, splits
    ├── WeightsError    weights that are missing, foreign or do not fit
    ├── RecipeError     a recipe that a detector can't follow
    └── RunError        a run folder, a cell, a report

The command line prints the message, without a traceback, and exits with code 2. Any other exception is a bug
of ours and keeps its traceback.
"""

import reprlib
from collections.abc import Sequence
from pathlib import Path


class BenchError(Exception):
    """A mistake that the user can correct: where it is, what was found there, and what to do about it."""

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
        """`record`: the row, annotation or key. `value`: what was found there. `hint`: what to do."""
        self.file = file
        self.record = record
        self.value = value
        self.hint = hint
        place = ", ".join(str(part) for part in (file, record) if part is not None)
        text = f"{place}: {message}" if place else message
        if value is not None:
            text += f" (found: {_shortened(value)})"
        if hint:
            text += f"\n  Hint: {hint}"
        super().__init__(text)


_SHOWN = 400
"""Characters of a value that a message shows."""


def _shortened(value: object) -> str:
    """Its repr, cut in the middle if it is long; only a part of a long text or list is written out."""
    shown = reprlib.Repr()
    shown.maxstring = shown.maxother = _SHOWN
    shown.maxlist = shown.maxtuple = shown.maxdict = shown.maxset = 20
    return shown.repr(value)


class ConfigError(BenchError):
    """bench.yaml, an override or a command-line argument is wrong."""


class DataError(BenchError):
    """The source can't be read as it claims to be."""


class WeightsError(BenchError):
    """Weights are missing, foreign, or do not fit the model."""


class RecipeError(BenchError):
    """A recipe asks a detector for something that it can't do."""


class RunError(BenchError):
    """A run folder is missing, in use, damaged, or does not fit the request."""


def combined(problems: Sequence[BenchError]) -> BenchError:
    """One error that reports all `problems` in order; it has the class of the first."""
    if len(problems) == 1:
        return problems[0]
    lines = "\n".join(f"- {problem}" for problem in problems)
    return type(problems[0])(f"{len(problems)} problems:\n{lines}")
