"""A run as a person watches it: a live line where there is a terminal, plain lines where there is none."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from bench.cli import data_notes
from bench.cli.console import console
from bench.records import CellRecord
from bench.reports import wording
from bench.store import CellFolder, RunFolder

PLAIN_LINE_S = 10.0
"""Without a terminal, an epoch is worth a line only so often; the first and the last always are."""

DataProgress = Callable[[str, int, int], None]


@contextlib.contextmanager
def watch_data() -> Iterator[DataProgress]:
    """Progress of the data's preparation alone."""
    with watcher(console()) as show:
        yield show.data


@contextlib.contextmanager
def watcher(console: Console) -> Iterator["RunView"]:
    """What fits the console."""
    if not console.is_terminal:
        yield RunView(console, None)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield RunView(console, progress)


class RunView:
    """Turns what a run tells into lines, and into one bar where there is a terminal."""

    def __init__(self, console: Console, progress: Progress | None) -> None:
        self._console = console
        self._progress = progress
        self._task: TaskID | None = None
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

    def data(self, what: str, done: int, total: int) -> None:
        self.bar(f"data: {what}", done, total)

    def weights(self, name: str, done: int, total: int | None) -> None:
        """Published weights arrive: bytes that are here, and how many there will be, if the server says."""
        of = "" if total is None else f" of {wording.bytes_(total)}"
        text = f"fetching {name}: {wording.bytes_(done)}{of}"
        self.bar(text, done, total or max(done, 1))
        now = time.monotonic()
        if self._progress is None and (done == total or now - self._last_line >= PLAIN_LINE_S):
            self._last_line = now
            self.say(text)

    def images(self, done: int, total: int) -> None:
        """A trained model goes through pictures."""
        self.bar("pictures", done, total)

    def begun(self, run: RunFolder, total: int, left: int) -> None:
        self.run = run
        self._total = total
        self.say(f"run      {run.root}")
        rest = "" if left == total else f", {total - left} done before"
        self.say(f"cells    {total}{rest}")
        data_notes.tell(self._console, run.manifest_path, Path(run.info().layout))

    def cell(self, number: int, cell: CellFolder, *, done: bool) -> None:
        self._cells = f"[{number}/{self._total}]"
        self._name, self._epoch, self._spans, self._epochs = cell.name, "", [], (0, 1)
        self.say(f"{self._cells} {cell.name}: {'done before' if done else 'starts'}")

    def event(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind in ("epoch", "validation"):
            self._hear_epoch(event)
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

    def ended(self, record: CellRecord) -> None:
        if record.status != "done" and record.failure:
            what = "INVALID" if record.status == "invalid" else f"FAILED in {record.failure.stage}"
            text = f"{self._cells} {record.cell}: {what}: {record.failure.reason}"
            self.say(text, style="red")
            return
        training, test = record.training, record.ranked
        assert training is not None and test is not None
        which = "final test" if record.final else "test"
        self.say(
            f"{self._cells} {record.cell}: done in {clock(training.duration_s)} of training, "
            f"best epoch {training.best_epoch}, "
            f"{which} AP {wording.share(test.coco.AP)}, AP50 {wording.share(test.coco.AP50)}",
            style="green",
        )

    def _hear_epoch(self, event: dict[str, Any]) -> None:
        """The end of an epoch, or a validation within it: then `share` of it is done."""
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
        if self._progress is None and (done in (1, planned) or now - self._last_line >= PLAIN_LINE_S):
            self._last_line = now
            self.say(self._head())

    def _head(self) -> str:
        return f"{self._cells} {self._name}  {self._epoch}"

    def bar(self, text: str, done: float, total: float) -> None:
        """Where there is a terminal: how far it is."""
        if self._progress is None:
            return
        if self._task is None:
            self._task = self._progress.add_task(text, total=total)
        self._progress.update(self._task, description=text, completed=done, total=total)

    def say(self, text: str, style: str = "") -> None:
        """One line that stays."""
        self._console.print(Text(text, style=style))


def clock(seconds: float) -> str:
    """75 -> '1:15', 3700 -> '1:01:40'."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
