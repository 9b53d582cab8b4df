"""What is shown of a run in progress: one bar on a live screen, and a line for each cell."""

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
        self._total = self._left = self._ended = 0
        self._started = 0.0
        self._under_way: dict[str, CellProgress] = {}
        self._last_line = 0.0
        self.run: RunFolder | None = None

    def on_data(self, what: str, done: int, total: int) -> None:
        self.bar(f"data: {what}", done, total)

    def on_weights(self, name: str, done: int, total: int | None) -> None:
        """Progress of a download of weights: bytes received, and in all if the server says how many."""
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
        self._total, self._left, self._started = total, left, time.monotonic()
        self._screen.end_bar()
        self.write(f"run      {run.root}")
        rest = "" if left == total else f", {total - left} done before"
        self.write(f"cells    {total}{rest}")
        for line, style in data_notes.notes(run.manifest(), Path(run.info().layout)):
            self.write(line, style=style)

    def on_cell_start(self, number: int, cell: CellFolder, *, done: bool) -> None:
        progress = CellProgress(f"[{number}/{self._total}]", cell.name)
        self.write(f"{progress.label} {cell.name}: {'done before' if done else 'starts'}")
        if not done:
            self._under_way[cell.name] = progress

    def on_cell_event(self, cell: CellFolder, event: dict[str, Any]) -> None:
        progress = self._under_way[cell.name]
        worth_a_line = progress.add(event)
        self.bar(progress.line, progress.done, progress.total, of=cell.name)
        self._bar_of_run()
        now = time.monotonic()
        due = progress.at_an_end or now - progress.last_line >= PLAIN_LINE_S
        if worth_a_line and due and not self._screen.live:
            progress.last_line = now
            self.write(progress.line)

    def _bar_of_run(self) -> None:
        """Of all cells, with the time left at the present pace."""
        done = self._ended + sum(cell.trained for cell in self._under_way.values())
        left = ""
        if done > 0:
            spent = time.monotonic() - self._started
            left = f", left {clock(spent * (self._left - done) / done)}"
        self.bar(f"{self._ended} of {self._left} cells{left}", done, self._left, of="run")

    def on_cell_end(self, record: CellRecord) -> None:
        self._ended += 1
        label = self._under_way.pop(record.cell).label
        self._screen.end_bar(record.cell)
        if record.status != "done" and record.failure:
            what = "INVALID" if record.status == "invalid" else f"FAILED in {record.failure.stage}"
            self.write(f"{label} {record.cell}: {what}: {record.failure.reason}", style="red")
            return
        training, test = record.training, record.ranked
        assert training is not None and test is not None
        which = "final test" if record.final else "test"
        self.write(
            f"{label} {record.cell}: done in {clock(training.duration_s)} of training, "
            f"best epoch {training.best_epoch}, "
            f"{which} AP {wording.share(test.coco.AP)}, AP50 {wording.share(test.coco.AP50)}",
            style="green",
        )

    def on_timing(self, done: int, total: int) -> None:
        self._screen.end_bar("run")
        self.bar("timing all models in turns", done, total)
        if done == total:
            self._screen.end_bar()

    def on_untimed(self, cell: CellFolder) -> None:
        self.write(f"{cell.name}: its timing broke off, see {cell.log_path}", style="red")


class CellProgress:
    """How far a cell is."""

    def __init__(self, label: str, name: str) -> None:
        self.label = label
        self._name = name
        self._now = ""
        self._which = ""
        """Of the cell's trainings."""
        self._spans: list[float] = []
        self._in_training = False
        self._epoch = 0
        self.done, self.total = 0.0, 1.0
        self.trained = 0.0
        """Share of the first training."""
        self.at_an_end = False
        """Whether the last epoch was the first or last of its training."""
        self.last_line = 0.0

    @property
    def line(self) -> str:
        return f"{self.label} {self._name}  {self._now}"

    def add(self, event: dict[str, Any]) -> bool:
        """Whether the event says something about the training."""
        kind = event["event"]
        if kind in ("epoch", "validation"):
            self._epoch_ended(event)
        elif kind == "step":
            share = event["done"] / event["total"]
            if self._in_training:
                self.done = self._epoch + share
            else:
                self.done, self.total = share, 1.0
        elif kind == "stage":
            self._in_training = event["stage"] in ("fit", "final fit")
            self._which = "final training  " if event["stage"] == "final fit" else ""
            self._now = "" if self._in_training else event["stage"]
            self._spans, self._epoch = [], 0
            self.done, self.total = 0.0, 1.0
        return kind in ("epoch", "validation")

    def _epoch_ended(self, event: dict[str, Any]) -> None:
        """An epoch has ended, or a validation within it after `share` of the epoch."""
        share, planned = event["share"], event["epochs"]
        self.done, self.total = event["epoch"] - 1 + share, planned
        if not self._which:
            self.trained = self.done / planned
        if share == 1:
            self._epoch = event["epoch"]
            self._spans.append(event["duration_s"])
        an_epoch = sum(self._spans) / len(self._spans) if self._spans else event["duration_s"] / share
        losses = event["train_losses"]
        parts = [f"{self._which}epoch {round(self.done, 2):g}/{planned}"]
        parts += [f"{name} {value:.3g}" for name, value in list(losses.items())[:4]]
        if "AP" in event["val_metrics"]:
            parts.append(f"val AP {event['val_metrics']['AP']:.3f}")
        parts.append(f"left {clock((planned - self.done) * an_epoch)}")
        self._now = "  ".join(parts)
        self.at_an_end = self.done in (1, planned)


def clock(seconds: float) -> str:
    """75 -> '1:15', 3700 -> '1:01:40'."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
