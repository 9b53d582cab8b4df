"""One gate: a check, its result in a sentence, and how long it took."""

import time
from collections.abc import Callable

from bench import memory
from bench.errors import ConfigError, RecipeError, WeightsError
from bench.records import GateResult


class GateFailed(Exception):
    """The model does not pass; the message is the reason."""


class Flag(str):
    """The detail of a passed gate that a reader should know about."""

    __slots__ = ()


USER_ERRORS = (ConfigError, RecipeError, WeightsError)
"""Errors that the user can fix say nothing about the adapter: they are raised."""


def run_gate(name: str, check: Callable[[], str]) -> GateResult:
    """Run `check`: it passes with the detail that it returns, and fails by GateFailed or any error in the
    adapter.

    A user's mistake and a lack of memory are raised: they say nothing about the adapter.
    """
    begun = time.perf_counter()
    try:
        detail = check()
        passed = True
    except GateFailed as failure:
        detail, passed = str(failure), False
    except USER_ERRORS:
        raise
    except Exception as error:
        if memory.is_out_of_memory(error):
            raise
        detail, passed = f"it raises {type(error).__name__}: {error}", False
    return GateResult(
        name=name,
        passed=passed,
        detail=str(detail),
        duration_s=round(time.perf_counter() - begun, 3),
        flagged=passed and isinstance(detail, Flag),
    )


def reason(results: tuple[GateResult, ...]) -> str | None:
    """Why a model is invalid: the gates that it fails; None where it passes all."""
    failed = [f"{result.name}: {result.detail}" for result in results if not result.passed]
    return "; ".join(failed) or None
