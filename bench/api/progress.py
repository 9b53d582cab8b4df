"""What is shown of a run while it goes on: one bar on a live screen, and a line for each cell."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.adapters.weights.download import download_progress
from bench.api import data_notes
from bench.api.screens import Screen, open_screen
from bench.records import CellRecord
from bench.reports import wording
from bench.store import CellFolder, RunFolder

PLAIN_LINE_S = 10.0
"""Least time between two lines about epochs on a screen that is not live; the first and last epoch always
get one."""


@contextlib.contextmanager
def watch(progress: bool | None) -> Iterator["RunView"]:
    """A view for what happens in the block; an interruption gets a note that says how to continue."""
    with open_screen(progress) as screen:
        view = RunView(screen)
        try:
            with download_progress(view.on_weights):
                yield view
        except KeyboardInterrupt as interruption:
            if view.run is not None:
                interruption.add_note(f"Continue with: bench run --resume {view.run.root}")
            raise


class RunView:
    """Shows the events of a run (`bench.runner.run.RunCallbacks`) on a screen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.write, self.bar = screen.write, screen.bar
        self._cells = ""
        self._total = 0
        self._name = ""
        self._epoch = ""
        self._spans: list[float] = []
        self._epochs = (0, 1)
        self._last_line = 0.0
        self._in_training = False
        self._which = ""  # of a cell's trainings
        self.run: RunFolder | None = None

    def on_data(self, what: str, done: int, total: int) -> None:
        self.bar(f"data: {what}", done, total)

    def on_weights(self, name: str, done: int, total: int | None) -> None:
        """A download of weights goes on: bytes received, and in all where the server says how many."""
        of = "" if total is None else f" of {wording.bytes_(total)}"
        text = f"fetching {name}: {wording.bytes_(done)}{of}"
        self.bar(text, done, total or max(done, 1))
        now = time.monotonic()
        if not self._screen.live and (done == total or now - self._last_line >= PLAIN_LINE_S):
            self._last_line = now
            self.write(text)

    def images(self, done: int, total: int) -> None:
        """A trained model has processed `done` of `total` images."""
        self.bar("images", done, total)

    def on_run_start(self, run: RunFolder, total: int, left: int) -> None:
        self.run = run
        self._total = total
        self.write(f"run      {run.root}")
        rest = "" if left == total else f", {total - left} done before"
        self.write(f"cells    {total}{rest}")
        for line, style in data_notes.notes(run.manifest(), Path(run.info().layout)):
            self.write(line, style=style)

    def on_cell_start(self, number: int, cell: CellFolder, *, done: bool) -> None:
        self._cells = f"[{number}/{self._total}]"
        self._name, self._epoch, self._spans, self._epochs = cell.name, "", [], (0, 1)
        self.write(f"{self._cells} {cell.name}: {'done before' if done else 'starts'}")

    def on_cell_event(self, cell: CellFolder, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind in ("epoch", "validation"):
            self._epoch_ended(event)
        elif kind == "step":
            epoch, epochs = self._epochs
            if self._in_training:
                self.bar(self._head(), epoch + event["done"] / event["total"], epochs)
            else:
                self.bar(self._head(), event["done"], event["total"])
        elif kind == "stage":
            self._in_training = event["stage"] in ("fit", "final fit")
            self._which = "final training  " if event["stage"] == "final fit" else ""
            if self._in_training:
                self._spans, self._epochs = [], (0, 1)
            self._epoch = "" if self._in_training else event["stage"]
            self.bar(self._head(), 0, 1)

    def on_cell_end(self, record: CellRecord) -> None:
        if record.status != "done" and record.failure:
            what = "INVALID" if record.status == "invalid" else f"FAILED in {record.failure.stage}"
            text = f"{self._cells} {record.cell}: {what}: {record.failure.reason}"
            self.write(text, style="red")
            return
        training, test = record.training, record.ranked
        assert training is not None and test is not None
        which = "final test" if record.final else "test"
        self.write(
            f"{self._cells} {record.cell}: done in {clock(training.duration_s)} of training, "
            f"best epoch {training.best_epoch}, "
            f"{which} AP {wording.share(test.coco.AP)}, AP50 {wording.share(test.coco.AP50)}",
            style="green",
        )

    def _epoch_ended(self, event: dict[str, Any]) -> None:
        """An epoch has ended, or a validation within it after `share` of the epoch."""
        share, planned = event["share"], event["epochs"]
        done = event["epoch"] - 1 + share
        if share == 1:
            self._spans.append(event["duration_s"])
            self._epochs = (event["epoch"], planned)
        an_epoch = sum(self._spans) / len(self._spans) if self._spans else event["duration_s"] / share
        left = (planned - done) * an_epoch
        losses = event["train_losses"]
        parts = [f"{self._which}epoch {round(done, 2):g}/{planned}"]
        parts += [f"{name} {value:.3g}" for name, value in list(losses.items())[:4]]
        if "AP" in event["val_metrics"]:
            parts.append(f"val AP {event['val_metrics']['AP']:.3f}")
        parts.append(f"left {clock(left)}")
        self._epoch = "  ".join(parts)
        self.bar(self._head(), done, planned)
        now = time.monotonic()
        if not self._screen.live and (done in (1, planned) or now - self._last_line >= PLAIN_LINE_S):
            self._last_line = now
            self.write(self._head())

    def _head(self) -> str:
        return f"{self._cells} {self._name}  {self._epoch}"


def clock(seconds: float) -> str:
    """75 -> '1:15', 3700 -> '1:01:40'."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
