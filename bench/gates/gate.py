"""One gate: a question, its answer in a sentence, and how long it took."""

import time
from collections.abc import Callable

from bench import memory
from bench.errors import ConfigError, RecipeError, WeightsError
from bench.records import GateResult


class GateFailed(Exception):
    """The gate's answer is no; the message is the reason."""


class Flag(str):
    """An answer that is yes, but that a reader should know."""

    __slots__ = ()


USERS_OWN = (ConfigError, RecipeError, WeightsError)
"""What the user can mend says nothing about the adapter: it passes through."""


def ask(name: str, question: Callable[[], str]) -> GateResult:
    """Run `question`: its answer passes, `GateFailed` fails, and so does whatever breaks in the adapter.

    A user's mistake and a lack of memory are raised on: they say nothing about the adapter.
    """
    begun = time.perf_counter()
    try:
        detail = question()
        passed = True
    except GateFailed as failure:
        detail, passed = str(failure), False
    except USERS_OWN:
        raise
    except Exception as error:
        if memory.is_lacking(error):
            raise
        detail, passed = f"it breaks: {type(error).__name__}: {error}", False
    return GateResult(
        name=name,
        passed=passed,
        detail=str(detail),
        duration_s=round(time.perf_counter() - begun, 3),
        flagged=passed and isinstance(detail, Flag),
    )


def reason(results: tuple[GateResult, ...]) -> str | None:
    """Why a model is invalid: the gates that it does not pass; None where it passes all."""
    failed = [f"{result.name}: {result.detail}" for result in results if not result.passed]
    return "; ".join(failed) or None
