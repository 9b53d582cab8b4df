"""Charts of a search: trials in order, the objective over each searched setting, best against standard."""

from collections.abc import Sequence

from bench.reports.axes import categories, linear, logarithmic, of_ap, whole
from bench.reports.charts import AnyChart, ChartRow, Dot, Grid, Line, Point, RowChart, XYChart, in_rows
from bench.reports.paired import Paired
from bench.reports.palette import Series
from bench.reports.search.folder import Search
from bench.reports.search.trials import (
    BEST,
    COMPLETE,
    SERIES,
    STANDARD,
    best_of,
    best_so_far,
    ended,
    figure_of,
    is_log,
    is_number,
    lower_is_better,
    reached,
    series_of,
    tip,
    varied_settings,
    with_figure,
    written,
)
from bench.reports.search.verdict import ClassPair, Final
from bench.reports.training import plain
from bench.reports.wording import share, signed
from bench.search_records import SearchRecord, StudyRecord, TrialRecord

COLUMNS = 3
"""Panels in a row of a file with many."""

SMALL_TICKS = 4
"""Ticks on an axis of a small chart."""


def history(search: Search, final: Final) -> XYChart | None:
    """The first objective by the trial's number, with the best so far."""
    record, study = search.record, final.study
    objective = record.objectives[0]
    tried = [(trial, value) for trial in ended(study) if (value := reached(record, trial)) is not None]
    if not tried:
        return None
    steps = best_so_far(study, objective)
    numbers, best = zip(*steps, strict=True) if steps else ((), ())
    return XYChart(
        title=f"Trials of {study.model} in order",
        caption=f"Best {objective} on val of each trial; the line is the best of the complete trials so far. "
        "Pruned trials show what they had reached.",
        x=whole(0, max(1, *(trial.number for trial in ended(study)))).named("trial"),
        y=linear((value for _, value in tried), zero=False).named(f"val {objective}"),
        points=tuple(_point(study, trial, trial.number, value, objective) for trial, value in tried),
        lines=(Line(COMPLETE.tone, "best so far", numbers, best, stepped=True),) if steps else (),
        key=_states(study, [trial for trial, _ in tried]),
    )


def pareto(search: Search, final: Final) -> XYChart | None:
    """The second objective over the first, the Pareto front joined; None for one objective."""
    record, study = search.record, final.study
    if len(record.objectives) < 2:
        return None
    first, second = record.objectives[:2]
    tried = [
        (trial, x, y)
        for trial in ended(study)
        if (x := figure_of(trial, first)) is not None and (y := figure_of(trial, second)) is not None
    ]
    if not tried:
        return None
    front = sorted((x, y) for trial, x, y in tried if trial.number in study.pareto)
    xs, ys = zip(*front, strict=True) if front else ((), ())
    return XYChart(
        title=f"Two objectives, {study.model}",
        caption=f"{'Down' if lower_is_better(second) else 'Up'} and to the "
        f"{'left' if lower_is_better(first) else 'right'} is better. "
        "The line is the Pareto front: trials that no other beats in both.",
        x=linear((x for _, x, _ in tried), zero=False).named(f"val {first}"),
        y=linear((y for _, _, y in tried), zero=False).named(f"val {second}"),
        points=tuple(_point(study, trial, x, y, second) for trial, x, y in tried),
        lines=(Line(BEST.tone, "Pareto front", xs, ys),) if front else (),
        key=_states(study, [trial for trial, _, _ in tried]),
    )


def importance(search: Search, final: Final) -> RowChart | None:
    """Each setting's share of the first objective's variance, most important first."""
    found = sorted(final.study.importance.items(), key=lambda item: -item[1])
    if not found:
        return None
    return RowChart(
        title=f"Importance of the settings, {final.study.model}",
        caption=f"Share of the variance of val {search.record.objectives[0]} that each setting explains "
        "(fANOVA over the complete trials).",
        x=linear(100 * part for _, part in found).named("share of the variance, %"),
        rows=tuple(
            ChartRow(
                name,
                (Dot(COMPLETE.tone, COMPLETE.label, 100 * part, f"{name}: {100 * part:.0f} %"),),
                note=f"{100 * part:.0f} %",
            )
            for name, part in found
        ),
        bars=True,
    )


def slices(search: Search, final: Final) -> list[XYChart]:
    """The first objective over each searched setting that is a number."""
    return [chart for chart in _by_setting(search, final) if isinstance(chart, XYChart)]


def choices(search: Search, final: Final) -> list[RowChart]:
    """The first objective by each searched setting that is chosen from a list, best choice on top."""
    return [chart for chart in _by_setting(search, final) if isinstance(chart, RowChart)]


def slice_grid(search: Search, final: Final) -> Grid | None:
    """All searched settings in one file, most important first."""
    charts = _by_setting(search, final)
    if not charts:
        return None
    return Grid(
        title=f"Val {search.record.objectives[0]} of {final.study.model} by setting",
        caption="one point per complete trial",
        rows=in_rows(charts, COLUMNS),
    )


def against_standard(final: Final) -> list[XYChart]:
    """Test AP, and that of the rare classes, of standard and best: a line joins the two of a seed."""
    pairs = (("Test AP", final.ap), ("Test AP of the rare classes", final.rare_ap))
    return [_against(title, pair) for title, pair in pairs if pair]


def against_grid(_: Search, final: Final) -> Grid | None:
    """The same in one file."""
    charts = against_standard(final)
    if not charts:
        return None
    return Grid(
        title=f"Best against standard, {final.study.model}",
        caption="a line joins the two trainings of a seed",
        rows=(tuple(charts),),
    )


def class_differences(_: Search, final: Final) -> RowChart | None:
    """By class, the paired difference of the test AP with its interval."""
    known = [(pair, pair.ap) for pair in final.classes if pair.ap]
    if not known:
        return None
    ends = [end for _, ap in known for end in (ap.interval or (ap.mean, ap.mean))]
    return RowChart(
        title=f"Difference by class, {final.study.model}",
        caption="Test AP of best minus standard: mean over seeds; bar: 95 % interval of the difference. "
        "In brackets: boxes of the class in the test split.",
        x=linear(ends).named("test AP, best minus standard", signed),
        rows=tuple(_difference_row(pair, ap) for pair, ap in known),
    )


def _difference_row(pair: ClassPair, ap: Paired) -> ChartRow:
    low, high = ap.interval or (None, None)
    name = f"{pair.name} ({pair.support:,}{', rare' if pair.rare else ''})"
    text = f"{pair.name}: AP {share(ap.base_mean)} with standard, {share(ap.ours_mean)} with best"
    return ChartRow(name, (Dot(BEST.tone, BEST.label, ap.mean, text, low, high),))


def _against(title: str, pair: Paired) -> XYChart:
    points = [
        Point(series.tone, series.label, place, value, f"{series.label}, seed {seed}: {title} {share(value)}")
        for place, (series, values) in enumerate(((STANDARD, pair.base), (BEST, pair.ours)))
        for seed, value in zip(pair.seeds, values, strict=True)
    ]
    lines = [
        Line(STANDARD.tone, f"seed {seed}", (0.0, 1.0), (old, new))
        for seed, old, new in zip(pair.seeds, pair.base, pair.ours, strict=True)
    ]
    return XYChart(
        title=title,
        caption="A line joins the two trainings of a seed.",
        x=categories([STANDARD.label, BEST.label]),
        y=of_ap((*pair.base, *pair.ours)).named(title.lower().replace(" ap", " AP")),
        points=tuple(points),
        lines=tuple(lines),
        key=(STANDARD, BEST),
    )


def _by_setting(search: Search, final: Final) -> list[AnyChart]:
    """One chart for each setting of which several values were tried, most important first."""
    record, study = search.record, final.study
    objective = record.objectives[0]
    return [
        _slice(record, study, setting, tried)
        if is_number(study, setting)
        else _choice(record, study, setting, tried)
        for setting in varied_settings(study)
        if (tried := with_figure(study, setting, objective))
    ]


def _slice(
    record: SearchRecord, study: StudyRecord, setting: str, tried: Sequence[tuple[TrialRecord, float]]
) -> XYChart:
    objective = record.objectives[0]
    xs = [float(trial.setting[setting]) for trial, _ in tried]
    log = is_log(record, study, setting) and min(xs) > 0
    axis = logarithmic(xs) if log else linear(xs, ticks=3, zero=False)
    return XYChart(
        title=setting,
        caption="logarithmic" if log else "",
        x=axis.thinned(SMALL_TICKS),
        y=linear((value for _, value in tried), ticks=3, zero=False),
        points=tuple(
            _point(study, trial, x, value, objective) for x, (trial, value) in zip(xs, tried, strict=True)
        ),
    )


def _choice(
    record: SearchRecord, study: StudyRecord, setting: str, tried: Sequence[tuple[TrialRecord, float]]
) -> RowChart:
    objective = record.objectives[0]
    groups: dict[str, list[tuple[TrialRecord, float]]] = {}
    for trial, value in sorted(tried, key=lambda pair: pair[1], reverse=not lower_is_better(objective)):
        groups.setdefault(plain(trial.setting[setting]), []).append((trial, value))
    return RowChart(
        title=setting,
        caption="",
        x=linear((value for _, value in tried), ticks=3, zero=False).thinned(SMALL_TICKS),
        rows=tuple(
            ChartRow(
                name,
                tuple(
                    Dot(
                        series_of(study, trial).tone,
                        series_of(study, trial).label,
                        value,
                        tip(trial, objective, value),
                    )
                    for trial, value in group
                ),
                note=written(objective, best_of(objective, (value for _, value in group))),
            )
            for name, group in groups.items()
        ),
    )


def _point(study: StudyRecord, trial: TrialRecord, x: float, y: float, objective: str) -> Point:
    series = series_of(study, trial)
    return Point(series.tone, series.label, x, y, tip(trial, objective, y))


def _states(study: StudyRecord, drawn: Sequence[TrialRecord]) -> tuple[Series, ...]:
    """What the colours of the trials `drawn` stand for."""
    there = {series_of(study, trial).label for trial in drawn}
    return tuple(series for series in SERIES if series.label in there)
