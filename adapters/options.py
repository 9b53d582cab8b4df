"""Reads and checks the options of a family."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bench.errors import ConfigError, combined

Options = TypeVar("Options", bound=BaseModel)


def read(kind: type[Options], given: Mapping[str, Any], family: str) -> Options:
    """`given` as a `kind`, a frozen pydantic model that forbids other keys.

    Raises ConfigError: all problems together; for an unknown option the nearest known one is suggested.
    """
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        problems = [_problem(kind, item, family) for item in error.errors()]
    raise combined(problems)


def _problem(kind: type[BaseModel], item: Any, family: str) -> ConfigError:
    key = ".".join(str(part) for part in item["loc"])
    record = f"options.{key}" if key else "options"
    if item["type"] != "extra_forbidden":
        cause = item.get("ctx", {}).get("error")
        return ConfigError(str(cause or item["msg"]), record=record, value=item["input"])
    known = list(kind.model_fields)
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean `{close[0]}`?" if close else f"known: {', '.join(known) or 'none'}"
    return ConfigError(f"unknown option of {family}", record=record, value=item["input"], hint=hint)
