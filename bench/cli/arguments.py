"""What is typed, as values: lists of names and seeds, jobs, devices, the command itself."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.errors import ConfigError
from bench.jobs import Jobs


def names(text: str | None) -> list[str]:
    """'a, b' -> ['a', 'b']. Raises ConfigError where no name is left."""
    if text is None:
        return []
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise ConfigError("names no model", record="--models", value=text)
    return found


def integers(text: str | None) -> list[int]:
    """'0,1' -> [0, 1]. Raises ConfigError for anything else."""
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    wrong = [part for part in parts if not part.isdecimal()]
    if wrong:
        raise ConfigError(
            "seeds are whole numbers", record="--seeds", value=wrong[0], hint="write --seeds 0,1,2"
        )
    return [int(part) for part in parts]


def jobs(text: str | None) -> Jobs | None:
    """'2' -> 2, 'auto' as it is. Raises ConfigError for anything else."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    if not text.isdecimal() or int(text) == 0:
        raise ConfigError("is a whole number from 1, or auto", record="--jobs", value=text)
    return int(text)


def device(text: str | None) -> str | None:
    """'0,1' -> 'cuda:0,1'; anything else as `device` in bench.yaml has it."""
    if text is None:
        return None
    compact = "".join(text.split())
    return f"cuda:{compact}" if compact.replace(",", "").isdecimal() else compact


def named_paths(given: Sequence[str], option: str) -> dict[str, Path]:
    """['mine=a.json'] -> {'mine': Path('a.json')}. Raises ConfigError for anything else."""
    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ConfigError("should be NAME=FILE", record=option, value=text)
        if name in found:
            hint = "for several seeds: NAME/0=FILE, NAME/1=FILE"
            raise ConfigError("is named twice", record=option, value=name, hint=hint)
        found[name] = Path(path)
    return found


def command() -> str:
    """The command line, quoted so that it can be typed again."""
    return shlex.join(["bench", *sys.argv[1:]])
