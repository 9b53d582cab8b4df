"""YAML from strangers: bounded in size, depth and what its aliases expand to."""

from pathlib import Path
from typing import Any

import yaml

from bench.datasets import regular_files
from bench.errors import DataError

_SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BASE = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

_LARGEST = 2_000_000
"""Values in a file, aliases expanded: a few hundred bytes of nested aliases can stand for 10^9."""


def read(path: Path) -> tuple[bytes, Any, Any]:
    """The file's bytes, its value, and its value with every scalar as the text that is written there.

    `no` and `1.10` are False and 1.1 to YAML, but a class may have that name.
    Raises DataError if it is not YAML or can't be read, FileNotFoundError if it does not exist.
    """
    try:
        content = regular_files.read(path, regular_files.LABELS)
        texts = yaml.load(content, Loader=_BASE)
        if _size(texts, {}) > _LARGEST:
            raise DataError(
                "its aliases expand to millions of values", file=path, hint="write it without aliases"
            )
        return content, yaml.load(content, Loader=_SAFE), texts
    except FileNotFoundError:
        raise
    except yaml.YAMLError as error:
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        mark = getattr(error, "problem_mark", None)
        record = f"line {mark.line + 1}" if mark else None
        raise DataError(
            f"is not YAML: {str(reason)[:200]}",
            file=path,
            record=record,
            hint="check the syntax at that place",
        ) from None
    except RecursionError:
        raise DataError("is nested too deeply", file=path, hint="a data.yaml has two levels") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"can't be read: {reason}", file=path, hint="use a readable YAML file") from None


def _size(value: Any, known: dict[int, int]) -> int:
    """Values in `value`, each as often as it is referred to."""
    if not isinstance(value, (list, dict)):
        return 1
    if id(value) not in known:
        known[id(value)] = _LARGEST + 1  # a value that contains itself has no end
        below = value if isinstance(value, list) else [*value.values()]
        known[id(value)] = 1 + sum(_size(one, known) for one in below)
    return known[id(value)]
