"""What the page of a search shows of one study."""

from collections import Counter
from dataclasses import dataclass

from bench.reports import wording
from bench.reports.charts import RowChart, XYChart
from bench.reports.paired import Paired
from bench.reports.ranking import Spread
from bench.reports.search import charts
from bench.reports.search.folder import Search
from bench.reports.search.trials import ended, figure_of, reached, written
from bench.reports.search.verdict import Final, setting_text
from bench.reports.training import plain
from bench.search_records import SearchRecord, StudyRecord, TrialRecord


@dataclass(frozen=True)
class Difference:
    """One figure of best against standard on test."""

    title: str
    paired: Paired
    base: Spread
    ours: Spread

    @property
    def by_seed(self) -> dict[int, float]:
        return dict(zip(self.paired.seeds, self.paired.differences, strict=True))


@dataclass(frozen=True)
class TrialRow:
    """One trial in the table."""

    number: int
    state: str
    best: bool
    setting: str
    values: tuple[tuple[str, str], ...]  # how each objective is written, and what sorting compares
    epochs: str
    batch: str
    duration: str
    duration_s: str
    reason: str


@dataclass(frozen=True)
class StudySection:
    """Everything that the page shows of one study."""

    number: int  # from 1
    study: StudyRecord
    final: Final
    best_setting: list[tuple[str, str]]
    differences: list[Difference]
    against: list[XYChart]
    class_differences: RowChart | None
    unknown: int  # classes without ground truth in test
    states: str
    history: XYChart | None
    pareto: XYChart | None
    importance: RowChart | None
    slices: list[XYChart]
    choices: list[RowChart]
    trials: list[TrialRow]
    reasons: list[tuple[str, str]]  # why trials failed, and which


def study_section(search: Search, final: Final, number: int) -> StudySection:
    """The study that `final` is about, number `number` on the page."""
    record, study = search.record, final.study
    pairs = (("Test AP", final.ap), ("Test AP of the rare classes", final.rare_ap))
    return StudySection(
        number=number,
        study=study,
        final=final,
        best_setting=[(name, plain(value)) for name, value in final.best.setting.items()]
        if final.best
        else [],
        differences=[
            Difference(title, paired, Spread(paired.base), Spread(paired.ours))
            for title, paired in pairs
            if paired
        ],
        against=charts.against_standard(final),
        class_differences=charts.class_differences(search, final),
        unknown=sum(1 for pair in final.classes if pair.ap is None),
        states=_states(study, record.wanted_trials),
        history=charts.history(search, final),
        pareto=charts.pareto(search, final),
        importance=charts.importance(search, final),
        slices=charts.slices(search, final),
        choices=charts.choices(search, final),
        trials=[_trial_row(record, study, trial) for trial in study.trials],
        reasons=_reasons(study),
    )


def _states(study: StudyRecord, wanted: int) -> str:
    """'40 trials: 28 complete, 11 pruned and 1 failed'."""
    amounts = Counter(trial.state for trial in study.trials)
    parts = [
        f"{amounts[state]} {state}" for state in ("complete", "pruned", "failed", "running") if amounts[state]
    ]
    asked = "" if len(ended(study)) >= wanted else f" of {wanted} asked for"
    details = f": {wording.listed(parts)}" if parts else ""
    return f"{wording.count(len(study.trials), 'trial')}{asked}{details}"


def _trial_row(record: SearchRecord, study: StudyRecord, trial: TrialRecord) -> TrialRow:
    objectives = record.objectives
    values = [reached(record, trial), *(figure_of(trial, objective) for objective in objectives[1:])]
    batch = "" if trial.batch_size is None else str(trial.batch_size)
    if batch and trial.accumulate and trial.accumulate > 1:
        batch += f" \N{MULTIPLICATION SIGN} {trial.accumulate}"
    return TrialRow(
        number=trial.number,
        state=trial.state,
        best=trial.number == study.best,
        setting=setting_text(trial.setting),
        values=tuple(
            (written(objective, value), "" if value is None else repr(value))
            for objective, value in zip(objectives, values, strict=True)
        ),
        epochs=str(trial.curve[-1][0]) if trial.curve else wording.NOTHING,
        batch=batch or wording.NOTHING,
        duration=wording.seconds(trial.duration_s),
        duration_s="" if trial.duration_s is None else repr(trial.duration_s),
        reason=trial.reason or "",
    )


def _reasons(study: StudyRecord) -> list[tuple[str, str]]:
    """Each reason of a failure once, with the trials that it ended."""
    found: dict[str, list[str]] = {}
    for trial in study.trials:
        if trial.state == "failed":
            found.setdefault(trial.reason or "no reason was recorded", []).append(str(trial.number))
    return [
        (reason, f"trial{'s' * (len(numbers) > 1)} {wording.listed(numbers)}")
        for reason, numbers in found.items()
    ]
