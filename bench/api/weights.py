"""`bench.weights`, `bench.fetch_weights`, `bench.import_weights`: published weights on this machine."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bench.adapters import importing
from bench.adapters.weights.inventory import inventory
from bench.adapters.weights.published import locate
from bench.api import frames
from bench.api.progress import watch

if TYPE_CHECKING:
    from pandas import DataFrame


def weights() -> "DataFrame":
    """One row for each published file: what it was trained on, its size, and where it is or belongs."""
    rows = [
        (one.entry.name, one.entry.trained_on, one.state, one.size_bytes, str(one.path))
        for one in inventory()
    ]
    return frames.frame(rows, ("name", "trained_on", "state", "size_bytes", "path"))


def fetch_weights(name: str, *, progress: bool | None = None) -> Path:
    """Download published weights, unless they are on this machine; returns where they are.

    `name`: as in `bench.weights()`, or ORG/MODEL of the Hugging Face hub.
    Raises WeightsError: an unknown name, no server answers, or the content is not the published one.
    """
    with watch(progress):
        return locate(name)


def import_weights(source: str | os.PathLike[str], *, name: str | None = None) -> importing.Imported:
    """Check a file, or a folder of the hub, that came another way, and copy it to where it is looked for.

    `name`: which weights these are, where that can't be found out.
    Raises WeightsError: not weights that are known, or not intact.
    """
    return importing.import_weights(Path(source), name)
