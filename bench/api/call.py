"""What a caller gives, in the form that is needed below."""

import json
import operator
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from bench.config import Overrides, Source
from bench.datasets.proposal import propose_config
from bench.errors import ConfigError


def names(models: str | Iterable[str]) -> list[str]:
    """One model's name, or several. Raises ConfigError for an empty name."""
    found = [models] if isinstance(models, str) else list(models)
    if any(not name.strip() for name in found):
        raise ConfigError("names no model", record="models", value=found)
    return found


def config_of(source: Source) -> Source:
    """`source`; for a folder of data, the config that `bench.init` would write for it.

    Raises DataError if nothing in the folder is recognised.
    """
    if isinstance(source, (str, os.PathLike)) and Path(source).is_dir():
        tree: dict[str, Any] = yaml.safe_load(propose_config(Path(source)))
        return tree
    return source


def integers(seeds: int | Iterable[int]) -> list[int]:
    """One seed, or several; numpy's integers too. Raises ConfigError for anything else."""
    try:
        found = list(seeds) if isinstance(seeds, Iterable) else [seeds]
        return [operator.index(seed) for seed in found]
    except TypeError:
        raise ConfigError("seeds are whole numbers", record="seeds", value=seeds) from None


def as_text(function: str, *arguments: Any, **options: Any) -> str:
    """The call as one would type it, for a run's record; a dict is abbreviated, an empty option left out."""
    given = ["{...}" if isinstance(one, dict) else repr(one) for one in arguments if one is not None]
    given += [f"{name}={value!r}" for name, value in options.items() if value not in (None, (), [], {})]
    return f"bench.{function}({', '.join(given)})"


def merged(overrides: Overrides, **more: Any) -> Overrides:
    """`overrides` and `more`, whose keys have '__' for '.'; what is None is left out."""
    added = {name.replace("__", "."): value for name, value in more.items() if value is not None}
    if isinstance(overrides, Mapping):
        return {**overrides, **added}
    return [*overrides, *(f"{name}={json.dumps(value)}" for name, value in added.items())]
