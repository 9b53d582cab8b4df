"""A search as a person watches it: a line for every trial that ends, and the best at the end."""

import contextlib
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.cli.progress import RunView, watcher
from bench.process import Message
from bench.reports.wording import NOTHING
from bench.search_records import SearchRecord, StudyRecord, TrialRecord
from bench.searching.folder import SearchFolder
from bench.searching.plan import Planned

STYLES = {"complete": "green", "failed": "red", "pruned": "dim"}


@contextlib.contextmanager
def search_watcher(console: Console) -> Iterator["SearchView"]:
    """What fits the console."""
    with watcher(console) as view:
        yield SearchView(view)


class SearchView:
    """A search's trials in lines, and a bar over all of them; the final run as `bench run` shows it."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self.data, self.weights = view.data, view.weights
        self.begun, self.cell, self.event, self.ended = view.begun, view.cell, view.event, view.ended
        self.folder: SearchFolder | None = None
        self._wanted = 0
        self._done = 0
        self._now = ""

    def search(self, folder: SearchFolder, planned: Planned, done: int) -> None:
        self.folder = folder
        self._wanted, self._done = planned.words.trials * len(planned.plans), done
        self._view.say(f"search   {folder.root}")
        before = f", {done} done before" if done else ""
        self._view.say(f"trials   {planned.words.trials} of each of {', '.join(planned.plans)}{before}")

    def trial(self, event: Message) -> None:
        kind = event["event"]
        name = f"{event['model']} {event.get('number', '')}"
        if kind == "trial_end":
            self._done += 1
            self._ended(event["model"], TrialRecord.model_validate(event["record"]))
        elif kind == "trial":
            self._now = f"{name}: {setting_line(event['setting'])}"
        elif kind == "epoch":
            self._now = f"{name}  epoch {event['epoch']}/{event['epochs']}"
        self._view.bar(f"trials  {self._now}", self._done, max(self._wanted, self._done))

    def _ended(self, model: str, trial: TrialRecord) -> None:
        told = values_line(trial) if trial.values else trial.reason or ""
        self._view.say(
            f"{model} {trial.number}: {trial.state}: {told}  ({setting_line(trial.setting)})",
            style=STYLES.get(trial.state, ""),
        )


def best_settings(record: SearchRecord) -> Table:
    """One row a model: its best trial, or the trials of its Pareto set."""
    several = len(record.objectives) > 1
    title = f"Best on val by {record.objectives[0]}" + (
        ", and all that none beats in both" if several else ""
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    table.add_column("trial", justify="right")
    for name in record.objectives:
        table.add_column(name, justify="right")
    table.add_column("setting", overflow="fold")
    table.add_column("whole/pruned/failed", justify="right")
    for study in record.studies:
        for number in dict.fromkeys([study.best, *study.pareto]):
            table.add_row(*_row(study, number, record), style="bold" if number == study.best else None)
    return table


def _row(study: StudyRecord, number: int | None, record: SearchRecord) -> list[Text]:
    trial = next((trial for trial in study.trials if trial.number == number), None)
    states = [trial.state for trial in study.trials]
    counts = "/".join(str(states.count(state)) for state in ("complete", "pruned", "failed"))
    values = trial.values if trial and trial.values else {}
    return [
        Text(study.model),
        Text(NOTHING if trial is None else str(trial.number)),
        *(Text(f"{values[name]:.4g}" if name in values else NOTHING) for name in record.objectives),
        Text(setting_line(trial.setting) if trial else NOTHING),
        Text(counts),
    ]


def values_line(trial: TrialRecord) -> str:
    """'AP 0.412'."""
    return ", ".join(f"{name} {value:.4g}" for name, value in (trial.values or {}).items())


def setting_line(setting: dict[str, Any]) -> str:
    """'classification focal, focal_gamma 1.5'."""
    parts = []
    for word, value in setting.items():
        short = f"{value:.3g}" if isinstance(value, float) else str(value)
        parts.append(f"{word.removeprefix('loss.')} {short}")
    return ", ".join(parts)
