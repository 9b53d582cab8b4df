"""What follows a training, for every family: history, TensorBoard, progress events, early stopping."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.cell.tensorboard import TensorBoardWriter
from bench.cell.timing import peak_memory_mib
from bench.errors import RunError
from bench.records import EpochRecord
from bench.store import CellFolder, history_row

OnEvent = Callable[[Mapping[str, Any]], None]

_STEP_EVENT_S = 0.25
"""Seconds between two step events: nobody reads faster, and steps can be short."""


def ignore(event: Mapping[str, Any]) -> None:
    """The default where nobody follows the events."""


class TrainingMonitor:
    """Logs epochs and steps, reports them, and decides on early stopping.

    `patience` counts validations without an improvement of `monitor`, a figure on val; 0 never stops. The
    history of a killed process is read back, so a resumed training stops where an uninterrupted one would
    have.
    """

    def __init__(
        self, folder: CellFolder, on_event: OnEvent = ignore, *, patience: int, monitor: str = "AP"
    ) -> None:
        """`on_event` gets every stage, step, validation and epoch as it is reached, as a JSON object."""
        self._folder = folder
        self._patience = patience
        self._monitor = monitor
        self._rows = folder.history()
        self._tensorboard = TensorBoardWriter(folder.tensorboard_dir)
        self._last_step = 0.0
        self._on_event = on_event
        self.native_metrics: dict[str, float] = {}

    def epoch(self, record: EpochRecord) -> bool:
        """Log an epoch, or a validation within one. True when the patience is used up.

        Raises RunError where the detector was validated but does not report the figure that patience needs.
        """
        if record.peak_memory_mib is None:
            record = record.model_copy(update={"peak_memory_mib": peak_memory_mib()})
        row = history_row(record)
        self._rows = [old for old in self._rows if old["epoch"] < row["epoch"]] + [row]
        self._folder.write_history(self._rows)
        if record.share == 1:
            self._tensorboard.add(row)
        self.event("epoch" if record.share == 1 else "validation", record.model_dump())
        return self._exhausted()

    def step(self, done: int, total: int) -> None:
        """Report the progress of the epoch."""
        now = time.monotonic()
        if now - self._last_step >= _STEP_EVENT_S:
            self._last_step = now
            self.event("step", {"done": done, "total": total})

    def stage(self, name: str) -> None:
        self.event("stage", {"stage": name})

    def event(self, kind: str, content: Mapping[str, Any]) -> None:
        self._on_event({"event": kind, **content})

    def native(self) -> dict[str, float]:
        """The framework's own val figures of the last epoch that has any, without their prefix."""
        for row in reversed(self._rows):
            found = {
                key.removeprefix("metrics/native/"): value
                for key, value in row.items()
                if key.startswith("metrics/native/")
            }
            if found:
                return found
        return {}

    def _exhausted(self) -> bool:
        if not self._patience:
            return False
        key = f"metrics/{self._monitor}"
        validated = [row for row in self._rows if "metrics/AP" in row]
        if not validated:
            return False
        if key not in validated[-1]:
            raise RunError(
                "the detector does not report the val figure that patience needs",
                record="train.monitor",
                value=self._monitor,
                hint="use monitor: AP",
            )
        scores = [row[key] for row in validated]
        best = max(range(len(scores)), key=lambda index: (scores[index], -index))
        return len(scores) - 1 - best >= self._patience
