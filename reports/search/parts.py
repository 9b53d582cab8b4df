"""What the page of a search shows of one study, ready to be written down."""

from collections import Counter
from dataclasses import dataclass

from bench.reports import wording
from bench.reports.axes import Tick, of_ap
from bench.reports.charts import Chart
from bench.reports.paired import Paired
from bench.reports.ranking import Spread
from bench.reports.search import charts as search_charts
from bench.reports.search.folder import Search
from bench.reports.search.trials import BEST, STANDARD, Series, ended, figure_of, reached, written
from bench.reports.search.verdict import ClassPair, Final, setting_text
from bench.reports.strips import Dot, Strip
from bench.reports.training import plain
from bench.search_records import SearchRecord, StudyRecord, TrialRecord


@dataclass(frozen=True)
class SeedRow:
    """Best or standard: a mark for each seed."""

    series: Series
    strip: Strip
    mean: float


@dataclass(frozen=True)
class Against:
    """One figure of best against standard on test."""

    title: str
    paired: Paired
    ticks: tuple[Tick, ...]
    rows: tuple[SeedRow, SeedRow]
    base: Spread
    ours: Spread

    @property
    def by_seed(self) -> dict[int, float]:
        return dict(zip(self.paired.seeds, self.paired.differences, strict=True))


@dataclass(frozen=True)
class ClassRow:
    """One class, with a dot for standard and one for best on a strip from 0 to 1."""

    pair: ClassPair
    strip: Strip


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
class Part:
    """Everything that the page shows of one study."""

    number: int  # from 1
    study: StudyRecord
    final: Final
    best_setting: list[tuple[str, str]]
    against: list[Against]
    class_rows: list[ClassRow]
    unknown: int  # classes without ground truth in test
    states: str
    history: Chart | None
    pareto: Chart | None
    importance: list[search_charts.Importance]
    slices: list[Chart]
    choices: list[search_charts.Choices]
    trials: list[TrialRow]
    reasons: list[tuple[str, str]]  # why trials failed, and which


def part(search: Search, final: Final, number: int) -> Part:
    """The study that `final` is about, number `number` on the page."""
    record, study = search.record, final.study
    return Part(
        number=number,
        study=study,
        final=final,
        best_setting=[(word, plain(value)) for word, value in final.best.setting.items()]
        if final.best
        else [],
        against=[
            _against(title, paired)
            for title, paired in (("Test AP", final.ap), ("Test AP of the rare classes", final.rare_ap))
            if paired
        ],
        class_rows=[_class_row(pair) for pair in final.classes],
        unknown=sum(1 for pair in final.classes if pair.ap is None),
        states=_states(study, record.wanted_trials),
        history=search_charts.history(record, study),
        pareto=search_charts.pareto(record, study),
        importance=search_charts.importances(study),
        slices=search_charts.slices(record, study),
        choices=search_charts.choices(record, study),
        trials=[_trial_row(record, study, trial) for trial in study.trials],
        reasons=_reasons(study),
    )


def _against(title: str, paired: Paired) -> Against:
    axis = of_ap((*paired.base, *paired.ours))

    def row(series: Series, values: tuple[float, ...], mean: float) -> SeedRow:
        dots = tuple(
            Dot(
                series.tone,
                series.label,
                axis.at(value),
                f"{series.label}, seed {seed}: {title} {wording.share(value)}",
            )
            for seed, value in zip(paired.seeds, values, strict=True)
        )
        return SeedRow(series, Strip(dots), mean)

    return Against(
        title=title,
        paired=paired,
        ticks=axis.ticks,
        rows=(row(STANDARD, paired.base, paired.base_mean), row(BEST, paired.ours, paired.ours_mean)),
        base=Spread(paired.base),
        ours=Spread(paired.ours),
    )


def _class_row(pair: ClassPair) -> ClassRow:
    means = ((STANDARD, pair.ap.base_mean), (BEST, pair.ap.ours_mean)) if pair.ap else ()
    dots = tuple(
        Dot(series.tone, series.label, 100 * mean, f"{pair.name}, {series.label}: AP {wording.share(mean)}")
        for series, mean in means
    )
    return ClassRow(pair, Strip(dots))


def _states(study: StudyRecord, wanted: int) -> str:
    """'40 trials: 28 complete, 11 pruned and 1 failed'."""
    amounts = Counter(trial.state for trial in study.trials)
    parts = [
        f"{amounts[state]} {state}" for state in ("complete", "pruned", "failed", "running") if amounts[state]
    ]
    asked = "" if len(ended(study)) >= wanted else f" of {wanted} asked for"
    told = f": {wording.listed(parts)}" if parts else ""
    return f"{wording.count(len(study.trials), 'trial')}{asked}{told}"


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
