"""The figures themselves, one function each: a comparison in, a matplotlib figure out.

None where there is nothing to show.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.records import CellRecord
from bench.reports import curves
from bench.reports.axes import LEAST_AP_SPAN
from bench.reports.classes import class_rows
from bench.reports.comparison import Comparison
from bench.reports.drawing import (
    WIDTH_IN,
    blank,
    class_axis,
    cost_axis,
    draw_lines,
    legend,
    new_figure,
    one_line,
    title_above,
)
from bench.reports.palette import MUTED, TRUTH
from bench.reports.ranking import test_ap as ap_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW_IN = 0.3
"""Height of a row with a name, in inches."""


def test_ap(comparison: Comparison) -> "Figure | None":
    """Every seed's test AP, one row a model."""
    import seaborn

    contestants = [c for c in comparison.contestants if c.ranked.ap]
    if not contestants:
        return None
    figure, axes = new_figure(1.3 + 0.4 * len(contestants))
    values = [
        (one_line(c.label), ap) for c in contestants for ap in (c.ranked.ap.values if c.ranked.ap else ())
    ]
    seaborn.stripplot(
        x=[ap for _, ap in values],
        y=[label for label, _ in values],
        hue=[label for label, _ in values],
        palette={one_line(c.label): c.tone.light for c in contestants},
        jitter=False,
        size=8,
        legend=False,
        ax=axes,
    )
    for row, contestant in enumerate(contestants):
        if contestant.ranked.ap and contestant.ranked.ap.sd is not None:
            axes.plot([contestant.ranked.ap.mean] * 2, [row - 0.25, row + 0.25], color=MUTED, linewidth=1.5)
    limits = (0, max(1.05 * max(ap for _, ap in values), LEAST_AP_SPAN))
    axes.set(xlabel="AP, test split (IoU .50:.95)", ylabel="", xlim=limits)
    axes.grid(axis="x")
    title_above(figure, "Test AP of every seed", "one point a training; bar: mean")
    return figure


def ap_against_parameters(comparison: Comparison) -> "Figure | None":
    """Mean test AP over the number of parameters."""
    return _scatter(
        comparison,
        lambda record: record.description.parameters / 1e6 if record.description else None,
        "Test AP against size",
        "parameters, millions",
    )


def ap_against_latency(comparison: Comparison) -> "Figure | None":
    """Mean test AP over the median latency."""
    return _scatter(
        comparison,
        lambda record: record.efficiency.latency_ms if record.efficiency else None,
        "Test AP against latency",
        "latency, ms per image (median, batch of 1)",
    )


def _scatter(
    comparison: Comparison, figure_of: Callable[[CellRecord], float | None], title: str, x_label: str
) -> "Figure | None":
    import seaborn

    points = [
        (c, x, y)
        for c in comparison.contestants
        if (x := c.spread(figure_of)) and (y := c.spread(ap_of)) and x.mean > 0
    ]
    if not points:
        return None
    figure, axes = new_figure(3.9)
    tones = {c.label: c.tone for c, _, _ in points}
    seaborn.scatterplot(
        x=[x.mean for _, x, _ in points],
        y=[y.mean for _, _, y in points],
        hue=list(tones),
        style=list(tones),
        palette={label: tone.light for label, tone in tones.items()},
        markers={label: tone.marker for label, tone in tones.items()},
        s=90,
        legend=False,
        zorder=3,
        ax=axes,
    )
    for contestant, x, y in points:
        if y.sd:
            axes.plot(
                [x.mean] * 2, [min(y.values), max(y.values)], color=contestant.tone.light, linewidth=1.5
            )
        if not comparison.crowded:
            at = (x.mean, y.mean)
            axes.annotate(contestant.label, at, xytext=(8, 0), textcoords="offset points", va="center")
    cost_axis(axes, [x.mean for _, x, _ in points])
    axes.set(
        xlabel=x_label,
        ylabel="AP, test split",
        ylim=(0, max(1.12 * max(max(y.values) for _, _, y in points), LEAST_AP_SPAN)),
    )
    axes.grid(axis="y")
    title_above(figure, title, "mean over seeds; bar: lowest to highest seed")
    if comparison.crowded:
        legend(axes, [contestant for contestant, _, _ in points])
    return figure


def ap_by_class(comparison: Comparison) -> "Figure | None":
    """AP of every class, a point a model, with the support."""
    import seaborn

    rows = class_rows(comparison)
    points = [
        (row_index, contestant, ap.mean)
        for row_index, row in enumerate(rows)
        for contestant, ap in zip(comparison.finished, row.ap, strict=True)
        if ap
    ]
    if not points:
        return None
    figure, axes = new_figure(1.4 + ROW_IN * len(rows))
    tones = {c.label: c.tone for c in comparison.finished}
    seaborn.scatterplot(
        x=[ap for _, _, ap in points],
        y=[index for index, _, _ in points],
        hue=[c.label for _, c, _ in points],
        style=[c.label for _, c, _ in points],
        palette={label: tone.light for label, tone in tones.items()},
        markers={label: tone.marker for label, tone in tones.items()},
        s=55,
        legend=False,
        zorder=3,
        ax=axes,
    )
    class_axis(axes, rows)
    axes.set(xlabel="AP, test split (IoU .50:.95)", ylabel="", xlim=(-0.02, 1.02))
    axes.grid(axis="both")
    title_above(figure, "AP by class", "mean over seeds; in brackets: boxes of the class in the test split")
    legend(axes, comparison.finished)
    return figure


def class_distribution(comparison: Comparison) -> "Figure | None":
    """Detections at the operating threshold beside the ground truth, by class."""
    import seaborn

    rows = class_rows(comparison)
    if not rows:
        return None
    series = {"ground truth": [float(row.support) for row in rows]} | {
        c.label: [found.mean if (found := row.detections[k]) else 0.0 for row in rows]
        for k, c in enumerate(comparison.finished)
    }
    figure, axes = new_figure(1.6 + (0.12 + 0.1 * len(series)) * len(rows))
    seaborn.barplot(
        x=[value for values in series.values() for value in values],
        y=[index for _ in series for index in range(len(rows))],
        hue=[label for label, values in series.items() for _ in values],
        palette={"ground truth": TRUTH} | {c.label: c.tone.light for c in comparison.finished},
        orient="y",
        legend=False,
        saturation=1,
        ax=axes,
    )
    class_axis(axes, rows)
    axes.set(xlabel="boxes, test split", ylabel="")
    axes.grid(axis="x")
    title_above(
        figure, "Predicted against real classes", "detections at the threshold that was chosen on val"
    )
    legend(axes, comparison.finished, truth=True)
    return figure


def val_ap(comparison: Comparison) -> "Figure | None":
    """Val AP over the epochs, all models in one picture."""
    found = curves.val_ap(comparison)
    if not found:
        return None
    figure, axes = new_figure(3.9)
    draw_lines(axes, found)
    axes.set(xlabel="epoch", ylabel="AP, val split")
    axes.set_ylim(0, max(LEAST_AP_SPAN, axes.get_ylim()[1]))
    axes.grid(axis="y")
    title_above(figure, "Learning", "AP on val after each validated epoch, one line a seed")
    legend(axes, comparison.contestants)
    return figure


def losses(comparison: Comparison) -> "Figure | None":
    """A small panel for every component of every model's loss."""
    found = curves.losses(comparison)
    if not found:
        return None
    models = list(dict.fromkeys(loss.contestant.label for loss in found))
    by_model = [[loss for loss in found if loss.contestant.label == label] for label in models]
    wide = max(len(panels) for panels in by_model)
    figure = blank(max(WIDTH_IN, 1.9 * wide), 0.5 + 1.7 * len(models))
    grid = figure.subplots(len(models), wide, squeeze=False)
    for panels, row in zip(by_model, grid, strict=True):
        for axes in row[len(panels) :]:
            axes.set_axis_off()
        for loss, axes in zip(panels, row, strict=False):
            draw_lines(axes, loss.curves)
            axes.set_title(f"{one_line(loss.contestant.label)}\n{one_line(loss.component)}", fontsize=8)
            axes.set(xlabel="", ylabel="")
            axes.tick_params(labelsize=7)
    title_above(
        figure, "Losses by component", "means over each epoch, one line a seed; whole: train, dashed: val"
    )
    return figure
