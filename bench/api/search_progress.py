"""What is shown of a search in progress: a line for each trial that ends, one bar for all of them."""

from typing import Any

from bench.api.progress import RunView
from bench.api.screens import Screen
from bench.process import Message
from bench.search_records import TrialRecord
from bench.searching.folder import SearchFolder
from bench.searching.plan import SearchPlan

STYLES = {"complete": "green", "failed": "red", "pruned": "dim"}


class SearchView:
    """Shows the events of a search (`bench.searching.search.SearchCallbacks`) on a screen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        view = RunView(screen)
        self.on_data, self.on_weights, self.on_run_start = view.on_data, view.on_weights, view.on_run_start
        self.on_cell_start, self.on_cell_event = view.on_cell_start, view.on_cell_event
        self.on_cell_end, self.on_timing, self.on_untimed = view.on_cell_end, view.on_timing, view.on_untimed
        self.folder: SearchFolder | None = None
        self._wanted = 0
        self._done = 0
        self._now = ""

    def on_search_start(self, folder: SearchFolder, planned: SearchPlan, done: int) -> None:
        self.folder = folder
        self._wanted, self._done = planned.search.trials * len(planned.plans), done
        self._screen.write(f"search   {folder.root}")
        before = f", {done} done before" if done else ""
        self._screen.write(f"trials   {planned.search.trials} of each of {', '.join(planned.plans)}{before}")

    def on_trial_event(self, event: Message) -> None:
        kind = event["event"]
        name = f"{event['model']} {event.get('number', '')}"
        if kind == "trial_end":
            self._done += 1
            self._ended(event["model"], TrialRecord.model_validate(event["record"]))
        elif kind == "trial":
            self._now = f"{name}: {setting_line(event['setting'])}"
        elif kind == "epoch":
            self._now = f"{name}  epoch {event['epoch']}/{event['epochs']}"
        self._screen.bar(f"trials  {self._now}", self._done, max(self._wanted, self._done))

    def _ended(self, model: str, trial: TrialRecord) -> None:
        outcome = values_line(trial) if trial.values else trial.reason or ""
        self._screen.write(
            f"{model} {trial.number}: {trial.state}: {outcome}  ({setting_line(trial.setting)})",
            style=STYLES.get(trial.state, ""),
        )


def values_line(trial: TrialRecord) -> str:
    """'AP 0.412'."""
    return ", ".join(f"{name} {value:.4g}" for name, value in (trial.values or {}).items())


def setting_line(setting: dict[str, Any]) -> str:
    """'classification focal, focal_gamma 1.5'."""
    parts = []
    for key, value in setting.items():
        short = f"{value:.3g}" if isinstance(value, float) else str(value)
        parts.append(f"{key.removeprefix('loss.')} {short}")
    return ", ".join(parts)
