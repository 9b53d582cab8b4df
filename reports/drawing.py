"""Charts as matplotlib figures, drawn with seaborn for print; pyplot and its global state are not used."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.reports.axes import Axis
from bench.reports.charts import AnyChart, Grid, Line, Named, RowChart, XYChart
from bench.reports.labels import labels
from bench.reports.palette import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 7.0
"""Of every figure, in inches: the text width of an A4 page."""

PANEL_IN = 1.9
"""Least width of a panel in a grid, in inches."""

LEFT = 0.01
"""Where titles begin, as a share of the figure's width."""

TITLES_PT = 40
"""Height of title and caption, in points."""

MOST_CHARACTERS = 40
"""Of a name on an axis."""

CAPTION_CHARACTERS = 105
"""Of one line of a caption at WIDTH_IN."""


def figure(chart: AnyChart | Grid) -> "Figure":
    """A figure of its own for one chart or a grid of charts."""
    if isinstance(chart, Grid):
        return _grid(chart)
    drawn = _blank(WIDTH_IN, _height_in(chart))
    axes = drawn.subplots()
    _draw(chart, axes)
    axes.set(xlabel=chart.x.label, ylabel=chart.y.label if isinstance(chart, XYChart) else "")
    _title_above(drawn, chart.title, chart.caption)
    if chart.key and not (isinstance(chart, XYChart) and chart.labelled):
        _legend(axes, chart.key, bars=isinstance(chart, RowChart) and chart.bars)
    return drawn


def _grid(grid: Grid) -> "Figure":
    """Small panels without axis labels; with `names` the row's name stands over each panel."""
    wide = max(len(row) for row in grid.rows)
    drawn = _blank(max(WIDTH_IN, PANEL_IN * wide), 0.5 + 1.9 * len(grid.rows))
    panels = drawn.subplots(len(grid.rows), wide, squeeze=False)
    for index, (charts, row) in enumerate(zip(grid.rows, panels, strict=True)):
        for axes in row[len(charts) :]:
            axes.set_axis_off()
        for chart, axes in zip(charts, row, strict=False):
            _draw(chart, axes)
            above = f"{one_line(grid.names[index])}\n" if grid.names else ""
            axes.set_title(f"{above}{one_line(chart.title)}", fontsize=8)
            axes.set(xlabel="", ylabel="")
            axes.tick_params(labelsize=7)
    _title_above(drawn, grid.title, grid.caption)
    if grid.key:
        _legend(panels[0][-1], grid.key)
    return drawn


def _draw(chart: AnyChart, axes: "Axes") -> None:
    if isinstance(chart, XYChart):
        _draw_xy(chart, axes)
    elif chart.stacked:
        _draw_stack(chart, axes)
    elif chart.bars:
        _draw_bars(chart, axes)
    else:
        _draw_dots(chart, axes)


def _draw_xy(chart: XYChart, axes: "Axes") -> None:
    import seaborn

    for line in chart.lines:
        _draw_line(line, axes)
    for point in chart.points:
        if point.low is not None and point.high is not None:
            axes.plot([point.x] * 2, [point.low, point.high], color=point.tone.light, linewidth=1.5)
    if chart.points:
        looks = {point.label: point.tone for point in chart.points}
        names = [point.label for point in chart.points]
        seaborn.scatterplot(
            x=[point.x for point in chart.points],
            y=[point.y for point in chart.points],
            hue=names,
            style=names,
            palette={label: tone.light for label, tone in looks.items()},
            markers={label: tone.marker for label, tone in looks.items()},
            s=90 if chart.labelled else 50,
            legend=False,
            zorder=3,
            ax=axes,
        )
    if chart.labelled:
        for label in labels(chart):
            axes.annotate(
                one_line(label.point.label),
                (label.point.x, chart.y.value(100 - label.y)),
                xytext=(-8 if label.left else 8, 0),
                textcoords="offset points",
                ha="right" if label.left else "left",
                va="center",
            )
    _set_axis(axes, "x", chart.x)
    _set_axis(axes, "y", chart.y)
    axes.grid(axis="y")


def _draw_line(line: Line, axes: "Axes") -> None:
    """One curve; a single value is a point."""
    dashes = (4, 2) if line.dashed else line.tone.dashes
    axes.plot(
        line.xs,
        line.ys,
        color=line.tone.light,
        linewidth=1.6,
        marker="o" if len(line.xs) == 1 else None,
        linestyle=(0, dashes) if dashes else "-",
        drawstyle="steps-post" if line.stepped else "default",
        zorder=1,
    )


def _draw_dots(chart: RowChart, axes: "Axes") -> None:
    import seaborn

    for place, row in enumerate(chart.rows):
        if row.band and row.tone:
            axes.plot(row.band, [place] * 2, color=row.tone.light, alpha=0.28, linewidth=7, zorder=1)
        for dot in row.dots:
            if dot.low is not None and dot.high is not None:
                axes.plot([dot.low, dot.high], [place] * 2, color=dot.tone.light, linewidth=1.8, zorder=2)
        if row.mean is not None:
            axes.plot([row.mean] * 2, [place - 0.25, place + 0.25], color=MUTED, linewidth=1.5)
    dots = [(place, dot) for place, row in enumerate(chart.rows) for dot in row.dots]
    looks = {dot.label: dot.tone for _, dot in dots}
    names = [dot.label for _, dot in dots]
    seaborn.scatterplot(
        x=[dot.x for _, dot in dots],
        y=[place for place, _ in dots],
        hue=names,
        style=names,
        palette={label: tone.light for label, tone in looks.items()},
        markers={label: tone.marker for label, tone in looks.items()},
        s=60,
        legend=False,
        zorder=3,
        ax=axes,
    )
    _row_axes(chart, axes)


def _draw_bars(chart: RowChart, axes: "Axes") -> None:
    import seaborn

    bars = [(place, dot) for place, row in enumerate(chart.rows) for dot in row.dots]
    seaborn.barplot(
        x=[dot.x for _, dot in bars],
        y=[place for place, _ in bars],
        hue=[dot.label for _, dot in bars],
        palette={dot.label: dot.tone.light for _, dot in bars},
        orient="y",
        legend=False,
        saturation=1,
        ax=axes,
    )
    _row_axes(chart, axes)


def _draw_stack(chart: RowChart, axes: "Axes") -> None:
    """Bars one after the other; the value stands in each that has room for it."""
    for place, row in enumerate(chart.rows):
        start = 0.0
        for dot in row.dots:
            axes.barh(place, dot.x, left=start, height=0.7, color=dot.tone.light, edgecolor="white")
            if dot.x > 0.05 * chart.x.high:
                middle = start + dot.x / 2
                axes.text(
                    middle, place, f"{dot.x:,.0f}", color=dot.tone.text, ha="center", va="center", size=8
                )
            start += dot.x
    _row_axes(chart, axes)


def _row_axes(chart: RowChart, axes: "Axes") -> None:
    """Names on the left, the first row on top."""
    axes.set_yticks(range(len(chart.rows)), [one_line(row.name) for row in chart.rows])
    axes.set_ylim(len(chart.rows) - 0.5, -0.5)
    axes.set_ylabel("")
    _set_axis(axes, "x", chart.x)
    if chart.x.crosses_zero:
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
    axes.grid(axis="x")


def _set_axis(axes: "Axes", which: str, axis: Axis) -> None:
    """Scale, limits and ticks; a little room beyond the limits, so that no point is cut."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    scale, limits, target = (
        (axes.set_xscale, axes.set_xlim, axes.xaxis)
        if which == "x"
        else (axes.set_yscale, axes.set_ylim, axes.yaxis)
    )
    if axis.log:
        scale("log")
        room = (axis.high / axis.low) ** 0.03
        limits(axis.low / room, axis.high * room)
    else:
        room = 0.02 * (axis.high - axis.low)
        limits(axis.low - (room if axis.low else 0), axis.high + room)
    target.set_major_locator(FixedLocator(list(axis.values)))
    target.set_major_formatter(FixedFormatter([axis.write(value) for value in axis.values]))
    target.set_minor_locator(NullLocator())


def _height_in(chart: AnyChart) -> float:
    if isinstance(chart, XYChart):
        return 3.9
    if not chart.bars or chart.stacked:
        return 1.4 + (0.4 if len(chart.rows) < 5 else 0.3) * len(chart.rows)
    return 1.6 + (0.2 + 0.1 * max((len(row.dots) for row in chart.rows), default=1)) * len(chart.rows)


def _blank(width_in: float, height_in: float) -> "Figure":
    """An empty figure that makes room for its names by itself."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rect = (0.0, 0.0, 1.0, 1.0 - TITLES_PT / (72 * height_in))
    return Figure(figsize=(width_in, height_in), layout=ConstrainedLayoutEngine(rect=rect))


def _title_above(figure: "Figure", title: str, caption: str) -> None:
    """A bold title over a caption of at most two lines, both from the figure's left edge."""
    from textwrap import wrap

    height_pt = 72 * figure.get_figheight()
    lines = wrap(caption, CAPTION_CHARACTERS)
    figure.text(LEFT, 1 - 4 / height_pt, title, ha="left", va="top", weight="bold", size=10)
    figure.text(LEFT, 1 - 19 / height_pt, "\n".join(lines), ha="left", va="top", size=8, color=MUTED)


def _legend(axes: "Axes", key: Sequence[Named], *, bars: bool = False) -> None:
    """Colour and shape of each series beside the plot; handles of our own, so that no name is left out."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Patch(color=series.tone.light)
        if bars
        else Line2D([], [], color=series.tone.light, marker=series.tone.marker, linewidth=1.6, markersize=6)
        for series in key
    ]
    axes.legend(
        handles,
        [one_line(series.label) for series in key],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
    )


def one_line(name: str) -> str:
    """One printable line of bearable length."""
    line = "".join(letter if letter.isprintable() else " " for letter in name)
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"
