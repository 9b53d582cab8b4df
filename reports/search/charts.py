"""Charts of a search as positions in percent: trials in their order, over each searched word, and against
each other where there are two objectives. The templates draw them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.reports.axes import Axis, Tick, linear, logarithmic
from bench.reports.charts import Chart, Line, Mark, upward
from bench.reports.palette import Tone
from bench.reports.search.trials import (
    BEST,
    COMPLETE,
    best_of,
    ended,
    figure_of,
    is_log,
    is_number,
    lower_is_better,
    reached,
    series_of,
    so_far,
    tip,
    valued,
    words,
    written,
)
from bench.reports.strips import Dot, Strip
from bench.reports.training import plain
from bench.search_records import SearchRecord, StudyRecord, TrialRecord


@dataclass(frozen=True)
class Group:
    """All trials of one choice, on a common scale."""

    label: str
    strip: Strip
    best: str


@dataclass(frozen=True)
class Choices:
    """The first objective by the choices of a word."""

    word: str
    ticks: tuple[Tick, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Importance:
    """One word's share of the first objective's variance."""

    word: str
    share: float
    width: float  # percent of the longest bar


def history(record: SearchRecord, study: StudyRecord) -> Chart | None:
    """The first objective by the trial's number, with the best so far."""
    objective = record.objectives[0]
    trials = ended(study)
    values = [value for trial in trials if (value := reached(record, trial)) is not None]
    if not values:
        return None
    x_axis = _whole(max(trial.number for trial in trials))
    y_axis = linear(values, zero=False)
    steps = so_far(study, objective)
    corners = [
        point
        for index, (number, value) in enumerate(steps)
        for point in ([(number, steps[index - 1][1])] if index else []) + [(number, value)]
    ]
    return Chart(
        title="Trials in their order",
        caption=f"Best {objective} on val of each trial; the line is the best of the complete ones so far. "
        "Pruned trials show what they had reached; failed ones without a figure lie on the axis.",
        x_label="trial",
        y_label=f"val {objective}",
        x_ticks=x_axis.ticks,
        y_ticks=upward(y_axis),
        marks=tuple(
            _mark(study, trial, x_axis.at(trial.number), reached(record, trial), y_axis, objective)
            for trial in trials
        ),
        lines=(_line(COMPLETE.tone, "best so far", corners, x_axis, y_axis),) if corners else (),
        named=False,
    )


def pareto(record: SearchRecord, study: StudyRecord) -> Chart | None:
    """Second objective over the first, those that none beats in both joined; None for one objective."""
    if len(record.objectives) < 2:
        return None
    first, second = record.objectives[:2]
    points = [
        (trial, x, y)
        for trial in ended(study)
        if (x := figure_of(trial, first)) is not None and (y := figure_of(trial, second)) is not None
    ]
    if not points:
        return None
    x_axis = linear((x for _, x, _ in points), zero=False)
    y_axis = linear((y for _, _, y in points), zero=False)
    front = sorted((x, y) for trial, x, y in points if trial.number in study.pareto)
    return Chart(
        title="Two objectives",
        caption=f"{'Down' if lower_is_better(second) else 'Up'} and to the "
        f"{'left' if lower_is_better(first) else 'right'} is better. "
        "The line joins the trials that none beats in both.",
        x_label=f"val {first}",
        y_label=f"val {second}",
        x_ticks=x_axis.ticks,
        y_ticks=upward(y_axis),
        marks=tuple(_mark(study, trial, x_axis.at(x), y, y_axis, second) for trial, x, y in points),
        lines=(_line(BEST.tone, "none beats it in both", front, x_axis, y_axis),) if front else (),
        named=False,
    )


def importances(study: StudyRecord) -> list[Importance]:
    """Most important word first."""
    longest = max(study.importance.values(), default=0.0) or 1.0
    return [
        Importance(word, share, round(100 * share / longest, 2))
        for word, share in sorted(study.importance.items(), key=lambda item: -item[1])
    ]


def slices(record: SearchRecord, study: StudyRecord) -> list[Chart]:
    """The first objective over each word that is a number."""
    return [
        chart
        for word in words(study)
        if is_number(study, word) and (chart := _slice(record, study, word)) is not None
    ]


def choices(record: SearchRecord, study: StudyRecord) -> list[Choices]:
    """The first objective by each word that is chosen from a list."""
    objective = record.objectives[0]
    found = []
    for word in words(study):
        tried = valued(study, word, objective)
        if is_number(study, word) or not tried:
            continue
        axis = linear((value for _, value in tried), zero=False)
        best_first = sorted(tried, key=lambda pair: pair[1], reverse=not lower_is_better(objective))
        labels = list(dict.fromkeys(plain(trial.setting[word]) for trial, _ in best_first))
        groups = [
            [(trial, value) for trial, value in tried if plain(trial.setting[word]) == label]
            for label in labels
        ]
        rows = [
            Group(
                label=label,
                strip=Strip(tuple(_dot(study, trial, value, axis, objective) for trial, value in group)),
                best=written(objective, best_of(objective, (value for _, value in group))),
            )
            for label, group in zip(labels, groups, strict=True)
        ]
        found.append(Choices(word, axis.ticks, tuple(rows)))
    return found


def _slice(record: SearchRecord, study: StudyRecord, word: str) -> Chart | None:
    objective = record.objectives[0]
    tried = valued(study, word, objective)
    if not tried:
        return None
    xs = [float(trial.setting[word]) for trial, _ in tried]
    log = is_log(record, study, word) and min(xs) > 0
    x_axis = logarithmic(xs) if log else linear(xs, ticks=3, zero=False)
    y_axis = linear((value for _, value in tried), ticks=3, zero=False)
    return Chart(
        title=word,
        caption="logarithmic" if log else "",
        x_label="",
        y_label="",
        x_ticks=_thinned(x_axis.ticks),
        y_ticks=upward(y_axis),
        marks=tuple(
            _mark(study, trial, x_axis.at(x), value, y_axis, objective)
            for x, (trial, value) in zip(xs, tried, strict=True)
        ),
        named=False,
    )


def _thinned(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    """A small chart has room for four."""
    return tuple(ticks[:: -(-len(ticks) // 4)])


def _mark(
    study: StudyRecord, trial: TrialRecord, x: float, value: float | None, y_axis: Axis, objective: str
) -> Mark:
    series = series_of(study, trial)
    y = 100.0 if value is None else round(100 - y_axis.at(value), 2)
    return Mark(series.tone, series.label, x, y, None, None, tip(trial, objective, value))


def _dot(study: StudyRecord, trial: TrialRecord, value: float, axis: Axis, objective: str) -> Dot:
    series = series_of(study, trial)
    return Dot(series.tone, series.label, axis.at(value), tip(trial, objective, value))


def _line(tone: Tone, label: str, points: Sequence[tuple[float, float]], x_axis: Axis, y_axis: Axis) -> Line:
    return Line(
        tone=tone,
        label=label,
        dashed=False,
        points=" ".join(f"{x_axis.at(x):g},{100 - y_axis.at(y):g}" for x, y in points),
        xs=" ".join(f"{x:.4g}" for x, _ in points),
        ys=" ".join(f"{y:.4g}" for _, y in points),
    )


def _whole(last: int) -> Axis:
    """From trial 0 to the last, ticks at whole numbers."""
    axis = linear([0, max(last, 1)])
    return replace(axis, values=tuple(v for v in axis.values if v == int(v)))
