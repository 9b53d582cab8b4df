"""What all figures have in common: their size, titles, legends, axes and lines. No pyplot anywhere."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.reports import curves, wording
from bench.reports.classes import ClassRow
from bench.reports.comparison import Contestant
from bench.reports.palette import MUTED, TRUTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 7.0
"""Of every figure, in inches: the text width of an A4 page."""

LEFT = 0.01
"""Where titles begin, as a share of the figure's width."""

TITLES_PT = 40
"""Height of title and caption, in points."""

MOST_CHARACTERS = 40
"""Of a name on an axis."""


def new_figure(height_in: float) -> "tuple[Figure, Axes]":
    """A figure with one plot, that no pyplot knows of."""
    figure = blank(WIDTH_IN, height_in)
    return figure, figure.subplots()


def blank(width_in: float, height_in: float) -> "Figure":
    """A figure that finds room for its names by itself."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rect = (0.0, 0.0, 1.0, 1.0 - TITLES_PT / (72 * height_in))
    return Figure(figsize=(width_in, height_in), layout=ConstrainedLayoutEngine(rect=rect))


def title_above(figure: "Figure", title: str, caption: str) -> None:
    """A bold title over a caption, both from the figure's left edge, in the room that `blank` left."""
    height_pt = 72 * figure.get_figheight()
    figure.text(LEFT, 1 - 4 / height_pt, title, ha="left", va="top", weight="bold", size=10)
    figure.text(LEFT, 1 - 19 / height_pt, caption, ha="left", va="top", size=8.5, color=MUTED)


def legend(axes: "Axes", contestants: Sequence[Contestant], *, truth: bool = False) -> None:
    """Colour and shape of each model beside the plot; handles of our own, so that no name is left out."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=c.tone.light, marker=c.tone.marker, linestyle="-", linewidth=1.6, markersize=6)
        for c in contestants
    ]
    names = [one_line(c.label) for c in contestants]
    if truth:
        handles = [Line2D([], [], color=TRUTH, linewidth=6), *handles]
        names = ["ground truth", *names]
    axes.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
    )


def class_axis(axes: "Axes", rows: Sequence[ClassRow]) -> None:
    """Class names with their support, the first row on top."""
    labels = [f"{one_line(row.name)} ({row.support:,})" for row in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.5, -0.5)


def cost_axis(axes: "Axes", values: Sequence[float]) -> None:
    """Logarithmic where values span more than a factor of three; room for names on the right."""
    if max(values) / min(values) <= 3:
        axes.set_xlim(0, 1.35 * max(values))
        return
    log_axis(axes, (1.0, 2.0, 5.0))
    axes.set_xlim(min(values) / 1.3, max(values) * 2.2)


def log_axis(axes: "Axes", marks: Sequence[float] = (1.0,)) -> None:
    """A logarithmic x axis with plain numbers at `marks` times powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=tuple(marks)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_lines(axes: "Axes", found: Sequence[curves.Curve]) -> None:
    """One line a curve; val is dashed where train stands beside it."""
    import seaborn
    from matplotlib.ticker import MaxNLocator

    paired = len({curve.split for curve in found}) > 1
    for curve in found:
        dashes = (4, 2) if paired and curve.split == "val" else curve.contestant.tone.dashes
        seaborn.lineplot(
            x=curve.epochs,
            y=curve.values,
            color=curve.contestant.tone.light,
            linewidth=1.6,
            marker="o" if len(curve.epochs) == 1 else None,
            errorbar=None,
            ax=axes,
            linestyle=(0, dashes) if dashes else "-",
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def one_line(name: str) -> str:
    """One printable line of bearable length."""
    line = "".join(letter if letter.isprintable() else " " for letter in name)
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"
