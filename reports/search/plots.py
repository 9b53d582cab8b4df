"""Figures of a search, one function each: the search and one of its studies in, a matplotlib figure out.

None where there is nothing to show.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.reports.axes import LEAST_AP_SPAN
from bench.reports.drawing import WIDTH_IN, blank, log_axis, new_figure, one_line, title_above
from bench.reports.palette import MUTED
from bench.reports.search.folder import Search
from bench.reports.search.trials import (
    BEST,
    COMPLETE,
    SERIES,
    STANDARD,
    ended,
    figure_of,
    is_log,
    is_number,
    reached,
    series_of,
    so_far,
    valued,
    words,
)
from bench.reports.search.verdict import Final
from bench.reports.training import plain
from bench.search_records import StudyRecord, TrialRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DECADES = 100
"""A logarithmic axis over more than this has ticks at powers of ten alone."""

COLUMNS = 3
"""Panels in a row of a figure with many."""


def history(search: Search, final: Final) -> "Figure | None":
    """The first objective by the trial's number, with the best so far."""
    objective, study = search.record.objectives[0], final.study
    tried = [(trial, value) for trial in ended(study) if (value := reached(search.record, trial)) is not None]
    if not tried:
        return None
    figure, axes = new_figure(3.9)
    _points(axes, study, [(trial, float(trial.number), value) for trial, value in tried])
    if steps := so_far(study, objective):
        numbers, best = zip(*steps, strict=True)
        axes.step(numbers, best, where="post", color=COMPLETE.tone.light, linewidth=1.5, zorder=1)
    axes.set(xlabel="trial", ylabel=f"val {objective}")
    axes.grid(axis="y")
    title_above(
        figure, f"Trials of {study.model} in their order", "line: the best of the complete ones so far"
    )
    _legend(axes, study, [trial for trial, _ in tried])
    return figure


def importance(search: Search, final: Final) -> "Figure | None":
    """Each word's share of the first objective's variance."""
    import seaborn

    found = sorted(final.study.importance.items(), key=lambda item: -item[1])
    if not found:
        return None
    figure, axes = new_figure(1.3 + 0.3 * len(found))
    seaborn.barplot(
        x=[100 * share for _, share in found],
        y=[one_line(word) for word, _ in found],
        color=COMPLETE.tone.light,
        orient="y",
        saturation=1,
        ax=axes,
    )
    axes.set(xlabel=f"share of the variance of val {search.record.objectives[0]}, %", ylabel="")
    axes.grid(axis="x")
    title_above(figure, f"What mattered for {final.study.model}", "fANOVA over the complete trials")
    return figure


def slices(search: Search, final: Final) -> "Figure | None":
    """The first objective over each searched word, a small panel each."""
    study, objective = final.study, search.record.objectives[0]
    panels = [word for word in words(study) if valued(study, word, objective)]
    if not panels:
        return None
    rows = -(-len(panels) // COLUMNS)
    figure = blank(WIDTH_IN, 0.6 + 2.2 * rows)
    grid = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for word, axes in zip(panels, grid.flat, strict=False):
        tried = valued(study, word, objective)
        if is_number(study, word):
            _points(axes, study, [(trial, float(trial.setting[word]), value) for trial, value in tried])
            if is_log(search.record, study, word):
                tried_values = [float(trial.setting[word]) for trial, _ in tried]
                wide = max(tried_values) > DECADES * min(tried_values)
                log_axis(axes, (1.0,) if wide else (1.0, 2.0, 5.0))
        else:
            labels = list(dict.fromkeys(plain(trial.setting[word]) for trial, _ in tried))
            places = {label: float(place) for place, label in enumerate(labels)}
            _points(
                axes, study, [(trial, places[plain(trial.setting[word])], value) for trial, value in tried]
            )
            axes.set_xticks(
                range(len(labels)), [one_line(label) for label in labels], rotation=40, ha="right"
            )
            axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_title(one_line(word), fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(axis="y")
    title_above(figure, f"Val {objective} of {study.model}, word by word", "one point a complete trial")
    return figure


def pareto(search: Search, final: Final) -> "Figure | None":
    """The second objective over the first."""
    objectives, study = search.record.objectives, final.study
    if len(objectives) < 2:
        return None
    points = [
        (trial, x, y)
        for trial, x in _tried(study, objectives[0])
        if (y := figure_of(trial, objectives[1])) is not None
    ]
    if not points:
        return None
    figure, axes = new_figure(3.9)
    _points(axes, study, points)
    front = sorted((x, y) for trial, x, y in points if trial.number in study.pareto)
    axes.plot([x for x, _ in front], [y for _, y in front], color=BEST.tone.light, linewidth=1.5, zorder=1)
    axes.set(xlabel=f"val {objectives[0]}", ylabel=f"val {objectives[1]}")
    axes.grid(axis="both")
    title_above(figure, f"Two objectives, {study.model}", "line: trials that none beats in both")
    _legend(axes, study, [trial for trial, _, _ in points])
    return figure


def against_standard(search: Search, final: Final) -> "Figure | None":
    """Test AP, and that of the rare classes, of standard and best: a line a seed."""
    pairs = [(name, pair) for name, pair in (("AP", final.ap), ("AP, rare classes", final.rare_ap)) if pair]
    if not pairs:
        return None
    figure = blank(WIDTH_IN, 3.6)
    grid = figure.subplots(1, len(pairs), squeeze=False)
    for (name, pair), axes in zip(pairs, grid.flat, strict=True):
        for old, new in zip(pair.base, pair.ours, strict=True):
            axes.plot([0, 1], [old, new], color=MUTED, linewidth=1.2, zorder=1)
        for place, (series, values) in enumerate(((STANDARD, pair.base), (BEST, pair.ours))):
            tone = series.tone
            axes.scatter([place] * len(values), values, color=tone.light, marker=tone.marker, s=60, zorder=3)
        axes.set_xticks([0, 1], [STANDARD.label, BEST.label])
        axes.set(xlim=(-0.4, 1.4), ylabel=f"test {name}")
        axes.set_ylim(0, max(1.1 * max((*pair.base, *pair.ours)), LEAST_AP_SPAN))
        axes.grid(axis="y")
    title_above(
        figure, f"Best against standard, {final.study.model}", "a line joins the two trainings of a seed"
    )
    return figure


def classes_against_standard(search: Search, final: Final) -> "Figure | None":
    """By class, the paired difference of the test AP with its interval."""
    found = [(pair, pair.ap) for pair in final.classes if pair.ap]
    if not found:
        return None
    figure, axes = new_figure(1.4 + 0.3 * len(found))
    for row, (_, ap) in enumerate(found):
        if ap.interval:
            axes.plot(ap.interval, [row, row], color=MUTED, linewidth=1.5, zorder=2)
    axes.scatter(
        [ap.mean for _, ap in found],
        range(len(found)),
        color=BEST.tone.light,
        marker=BEST.tone.marker,
        s=50,
        zorder=3,
    )
    axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
    names = [f"{one_line(pair.name)} ({pair.support:,}{', rare' if pair.rare else ''})" for pair, _ in found]
    axes.set_yticks(range(len(found)), names)
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set(xlabel="test AP, best minus standard", ylabel="")
    axes.grid(axis="x")
    caption = "mean over seeds; bar: 95 % t-interval, paired; in brackets: boxes in the test split"
    title_above(figure, f"By class, {final.study.model}", caption)
    return figure


def _tried(study: StudyRecord, objective: str) -> list[tuple[TrialRecord, float]]:
    return [(trial, value) for trial in ended(study) if (value := figure_of(trial, objective)) is not None]


def _points(axes: "Axes", study: StudyRecord, points: Sequence[tuple[TrialRecord, float, float]]) -> None:
    """One mark a trial, in the colour and shape of how it ended."""
    import seaborn

    labels = [series_of(study, trial).label for trial, _, _ in points]
    seaborn.scatterplot(
        x=[x for _, x, _ in points],
        y=[y for _, _, y in points],
        hue=labels,
        style=labels,
        palette={series.label: series.tone.light for series in SERIES},
        markers={series.label: series.tone.marker for series in SERIES},
        s=40,
        legend=False,
        zorder=3,
        ax=axes,
    )
    axes.set(xlabel="", ylabel="")


def _legend(axes: "Axes", study: StudyRecord, drawn: Sequence[TrialRecord]) -> None:
    """Of the states that the trials `drawn` have."""
    from matplotlib.lines import Line2D

    there = {series_of(study, trial).label for trial in drawn}
    shown = [series for series in SERIES if series.label in there]
    axes.legend(
        [Line2D([], [], color=s.tone.light, marker=s.tone.marker, linestyle="", markersize=6) for s in shown],
        [s.label for s in shown],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
    )
