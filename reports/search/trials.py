"""The trials of a study as the report reads them: their looks and figures, and the settings that vary."""

from collections.abc import Iterable, Mapping

from bench.reports import wording
from bench.reports.palette import Series, tone
from bench.reports.search.verdict import setting_text
from bench.reports.training import plain
from bench.search_config import COSTS, LEAST
from bench.search_records import SearchRecord, StudyRecord, TrialRecord

COMPLETE = Series("complete", tone(0))
FAILED = Series("failed", tone(1))
BEST = Series("best", tone(2))
STANDARD = Series("standard", tone(3))
PRUNED = Series("pruned", tone(4))
SERIES = (COMPLETE, PRUNED, FAILED, BEST, STANDARD)

_BY_STATE = {"complete": COMPLETE, "pruned": PRUNED, "failed": FAILED}


def figure_of(trial: TrialRecord, objective: str) -> float | None:
    """The trial's best value of an objective on val; None where it has none."""
    return trial.values.get(objective) if trial.values else None


def reached(record: SearchRecord, trial: TrialRecord) -> float | None:
    """The first objective; of a pruned trial the best value on its curve."""
    objective = record.objectives[0]
    value = figure_of(trial, objective)
    if value is None and trial.curve:
        return best_of(objective, (value for _, value in trial.curve))
    return value


def lower_is_better(objective: str) -> bool:
    return objective in LEAST


def best_of(objective: str, values: Iterable[float]) -> float:
    return min(values) if lower_is_better(objective) else max(values)


def written(objective: str, value: float | None) -> str:
    """Shares with three digits, costs as any number."""
    return wording.number(value) if objective in COSTS else wording.share(value)


def series_of(study: StudyRecord, trial: TrialRecord) -> Series:
    """How a trial that has ended looks."""
    return BEST if trial.number == study.best else _BY_STATE[trial.state]


def ended(study: StudyRecord) -> list[TrialRecord]:
    return [trial for trial in study.trials if trial.state != "running"]


def best_so_far(study: StudyRecord, objective: str) -> list[tuple[int, float]]:
    """(number, best value until then) at each complete trial."""
    best: float | None = None
    found = []
    for trial in study.trials:
        value = figure_of(trial, objective)
        if trial.state == "complete" and value is not None:
            best = value if best is None else best_of(objective, (best, value))
            found.append((trial.number, best))
    return found


def varied_settings(study: StudyRecord) -> list[str]:
    """Searched settings of which trials tried several values; most important first, then in their order."""
    tried: dict[str, list[str]] = {}
    for trial in ended(study):
        for setting, value in trial.setting.items():
            tried.setdefault(setting, []).append(plain(value))
    several = [setting for setting, values in tried.items() if len(set(values)) > 1]
    return sorted(several, key=lambda setting: -study.importance.get(setting, 0.0))


def with_figure(study: StudyRecord, setting: str, objective: str) -> list[tuple[TrialRecord, float]]:
    """Complete trials that set `setting` and have a figure, with that figure."""
    return [
        (trial, value)
        for trial in study.trials
        if trial.state == "complete"
        and setting in trial.setting
        and (value := figure_of(trial, objective)) is not None
    ]


def is_number(study: StudyRecord, setting: str) -> bool:
    values = [trial.setting[setting] for trial in ended(study) if setting in trial.setting]
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def is_log(record: SearchRecord, study: StudyRecord, setting: str) -> bool:
    """Whether the space gives the setting a logarithmic scale, for all models or for this one."""
    asked = record.space.get(f"models.{study.model}.{setting}", record.space.get(setting))
    return isinstance(asked, Mapping) and asked.get("log") is True


def tip(trial: TrialRecord, objective: str, value: float | None) -> str:
    figure = f"{objective} {written(objective, value)}" if value is not None else trial.reason or "no figure"
    return f"trial {trial.number}, {trial.state}: {figure}\n{setting_text(trial.setting)}"
