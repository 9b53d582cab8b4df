"""A training's history for TensorBoard: `tensorboard --logdir RUN/cells` shows all models of a run.

Optional, `pip install bench-detectors[tensorboard]`: without the package nothing is written.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_COUNTS = ("optimizer_steps", "images_seen", "duration_s", "images_per_s", "peak_memory_mib")


class TensorBoardWriter:
    """One cell's event files, created with its first epoch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def add(self, row: Mapping[str, float]) -> None:
        """Add a row of history.csv: one curve for each column. Flushed to disk."""
        if self._writer is None and find_spec("tensorboard") is None:
            return
        if self._writer is None:
            from tensorboard.summary import Writer

            self._writer = Writer(str(self._folder))
        for name, value in row.items():
            if name != "epoch":
                tag = f"cost/{name}" if name in _COUNTS else name
                self._writer.add_scalar(tag, value, int(row["epoch"]))
        self._writer.flush()
