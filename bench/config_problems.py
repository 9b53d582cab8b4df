"""Pydantic's errors about a config in terms of bench.yaml: one problem for each mistake, with a guess."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from bench.errors import BenchError, ConfigError

SHOULD_BE = {
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "string_type": "should be text",
    "path_type": "should be a path",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "dict_type": "should hold keys",
    "model_type": "should hold keys",
    "model_attributes_type": "should hold keys",
    "too_short": "should not be empty",
}
"""Pydantic's error type -> our message, where pydantic's is about Python types."""


def problems(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[BenchError]:
    """One ConfigError for each mistake, in the file's order; every key gets `prefix`."""
    found: dict[str, BenchError] = {}
    items = error.errors()
    wrong_within = {item["loc"][:depth] for item in items for depth in range(len(item["loc"]))}
    for item in items:
        location = item["loc"]
        if item["type"] == "too_short" and location in wrong_within:
            continue  # its entries are wrong, and reported; they are not missing
        real, field = _follow(model, location)
        unknown = item["type"] == "extra_forbidden" and len(real) == len(location) - 1
        key = prefix + ".".join(str(part) for part in (location if unknown else real))
        key = key.removesuffix(".")  # about the whole config
        if unknown:
            found[key] = _unknown(key, str(location[-1]), _known_keys(model, location[:-1]))
        elif key not in found or len(real) == len(location):
            # A setting with several possible types has an error for each of them: report one.
            several = len(real) < len(location) and item["type"] != "missing"
            found[key] = ConfigError(
                _several(field) if several else _text(item, field),
                record=key or None,
                value=_shown(item, (str, int, float, dict) if several else (str, int, float)),
            )
    return list(found.values())


def guess(value: str, known: Sequence[str]) -> str:
    """The end of a sentence: '; did you mean ...?', or nothing."""
    close = difflib.get_close_matches(value, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _text(item: Any, field: FieldInfo | None) -> str:
    kind = item["type"]
    if kind == "missing":
        return "is missing"
    if kind in SHOULD_BE:
        return SHOULD_BE[kind]
    if kind == "string_pattern_mismatch" and field and field.description:
        return f"can be: {field.description.rstrip('.')}"
    cause = item.get("ctx", {}).get("error")
    return (
        str(cause)
        if cause
        else re.sub(r"^(Input|Value|String|Tuple|Dictionary) should", "should", item["msg"])
    )


def _several(field: FieldInfo | None) -> str:
    meant = field.description.rstrip(".") if field and field.description else "see bench config schema"
    return f"is not one of: {meant}"


def _shown(item: Any, kinds: tuple[type, ...]) -> object:
    return item["input"] if isinstance(item["input"], kinds) else None


def _unknown(key: str, last: str, known: Sequence[str]) -> ConfigError:
    close = difflib.get_close_matches(last, known, n=1, cutoff=0.5)
    hint = f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(known)}"
    return ConfigError("unknown key", record=key, hint=hint)


def _follow(
    model: type[BaseModel], location: Sequence[str | int]
) -> tuple[tuple[str | int, ...], FieldInfo | None]:
    """The part of `location` that is in the file, without pydantic's type names, and its last field."""
    current: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for number, part in enumerate(location):
        if isinstance(part, int):
            continue
        if current is None or part not in current.model_fields:
            return tuple(location[:number]), field
        field = current.model_fields[part]
        current = _nested(field)
    return tuple(location), field


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Field names of the model that `location` leads to."""
    real, field = _follow(model, location)
    within = _nested(field) if field and len(real) == len(location) else model if not location else None
    return list(within.model_fields) if within else []


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
