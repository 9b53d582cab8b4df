"""Charts of the page as positions in percent: the templates draw them, so every name is escaped there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.records import CellRecord
from bench.reports import wording
from bench.reports.axes import Axis, Tick, fitting, linear, logarithmic, of_ap
from bench.reports.comparison import Comparison, Contestant
from bench.reports.curves import Curve, losses, val_ap
from bench.reports.palette import Tone
from bench.reports.ranking import test_ap

MOST_POINTS = 240
"""Points that a curve keeps on the page; more can't be told apart at this width."""

LABEL_GAP = 7.0
"""Percent of the plot's height that two labels need between them."""

LETTER_WIDTH = 2.4
"""Percent of the plot's width that a label's letter takes on a phone; on a wide screen it is less."""

POINT_WIDTH = 3.0
"""Percent of the plot's width for the point itself and the space around it."""

LOWEST_LABEL = 97.0
"""Percent from the top: below it a label would cover the axis."""


@dataclass(frozen=True)
class Mark:
    """A model's point, with the range of its seeds."""

    tone: Tone
    label: str
    x: float  # percent from the left
    y: float  # percent from the top
    top: float | None  # the highest seed, percent from the top
    bottom: float | None
    tip: str
    label_y: float = 0.0  # percent from the top, moved apart from other labels
    left: bool = False  # the label stands to the left of the point


@dataclass(frozen=True)
class Line:
    """A curve: `points` for SVG, `xs` and `ys` for whoever points at it."""

    tone: Tone
    label: str
    dashed: bool
    points: str  # 'x,y x,y' in percent
    xs: str
    ys: str


@dataclass(frozen=True)
class Chart:
    """A plot with two axes."""

    title: str
    caption: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...] = ()
    lines: tuple[Line, ...] = ()
    tone: Tone | None = None  # of the one model that the chart is about
    named: bool = True  # marks carry their names; if not, a key does


def by_cost(comparison: Comparison) -> list[Chart]:
    """Test AP against parameters and against latency."""
    return [
        chart
        for chart in (
            _scatter(
                comparison,
                "AP against size",
                "parameters",
                lambda record: record.description.parameters if record.description else None,
                wording.millions,
            ),
            _scatter(
                comparison,
                "AP against latency",
                "latency, ms per image",
                lambda record: record.efficiency.latency_ms if record.efficiency else None,
                lambda value: f"{wording.number(value)} ms",
            ),
        )
        if chart
    ]


def _scatter(
    comparison: Comparison,
    title: str,
    x_label: str,
    figure: Callable[[CellRecord], float | None],
    write: Callable[[float | None], str],
) -> Chart | None:
    points = [
        (contestant, x, y)
        for contestant in comparison.contestants
        if (x := contestant.spread(figure)) and (y := contestant.spread(test_ap))
    ]
    if not points:
        return None
    x_axis = fitting(x.mean for _, x, _ in points)
    y_axis = of_ap(value for _, _, y in points for value in y.values)
    marks = [
        Mark(
            tone=contestant.tone,
            label=contestant.label,
            x=x_axis.at(x.mean),
            y=100 - y_axis.at(y.mean),
            top=100 - y_axis.at(max(y.values)) if y.sd else None,
            bottom=100 - y_axis.at(min(y.values)) if y.sd else None,
            tip=f"{contestant.label}: test AP {wording.share(y.mean)}, {write(x.mean)}",
            left=x_axis.at(x.mean) + _label_width(contestant.label) > 100,
        )
        for contestant, x, y in points
    ]
    several = any(len(y.values) > 1 for _, _, y in points)
    return Chart(
        title=title,
        caption="Test split. Up and to the left is better."
        + (" Point: mean over seeds; bar: lowest to highest seed." if several else ""),
        x_label=x_label + (", logarithmic" if x_axis.log else ""),
        y_label="test AP",
        x_ticks=tuple(replace(t, text=_short(v)) for t, v in zip(x_axis.ticks, x_axis.values, strict=True)),
        y_ticks=upward(y_axis),
        marks=_apart(marks),
        named=not comparison.crowded,
    )


def _short(value: float) -> str:
    """A tick's text: '20 M' rather than '20,000,000'."""
    if value >= 1e6:
        return f"{wording.short(value / 1e6)} M"
    return f"{wording.short(value / 1e3)} k" if value >= 1e3 else wording.short(value)


def _label_width(label: str) -> float:
    """Of a point with its label, percent of the plot's width."""
    return POINT_WIDTH + LETTER_WIDTH * len(label)


def _meet(one: Mark, other: Mark) -> bool:
    """Whether two points with their labels share a part of the plot's width."""
    spans = []
    for mark in (one, other):
        width = _label_width(mark.label)
        spans.append(
            (mark.x - width, mark.x + POINT_WIDTH) if mark.left else (mark.x - POINT_WIDTH, mark.x + width)
        )
    (first, second) = spans
    return first[0] < second[1] and second[0] < first[1]


def _apart(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Labels moved apart, down first and up again where the plot ends; points stay where they are."""
    order = sorted(marks, key=lambda mark: mark.y)
    levels = [mark.y for mark in order]
    for index, mark in enumerate(order):
        for above in range(index):
            if _meet(order[above], mark):
                levels[index] = max(levels[index], levels[above] + LABEL_GAP)
    for index in reversed(range(len(order))):
        levels[index] = min(levels[index], LOWEST_LABEL)
        for below in range(index + 1, len(order)):
            if _meet(order[below], order[index]):
                levels[index] = min(levels[index], levels[below] - LABEL_GAP)
    return tuple(replace(mark, label_y=round(level, 2)) for mark, level in zip(order, levels, strict=True))


def learning(comparison: Comparison) -> Chart | None:
    """Val AP over the epochs, all models in one picture."""
    curves = val_ap(comparison)
    if not curves:
        return None
    return _chart(
        curves,
        title="Learning, all models",
        caption="AP on the val split after each validated epoch, one line a seed. Val chose the checkpoint; "
        "test played no part.",
        y_label="val AP",
        axis=of_ap,
    )


def loss_charts(comparison: Comparison) -> list[tuple[Contestant, list[Chart]]]:
    """One small chart for every component of every model's loss."""
    found: dict[str, tuple[Contestant, list[Chart]]] = {}
    for loss in losses(comparison):
        chart = _chart(loss.curves, title=loss.component, caption="", y_label="", axis=_of_loss, ticks=3)
        _, charts = found.setdefault(loss.contestant.label, (loss.contestant, []))
        charts.append(replace(chart, tone=loss.contestant.tone))
    return list(found.values())


def _of_loss(values: Sequence[float], *, ticks: int) -> Axis:
    """Logarithmic where a loss falls by more than a factor of fifty."""
    steep = min(values) > 0 and max(values) / min(values) > 50
    return logarithmic(values) if steep else linear(values, ticks=ticks, zero=False)


def _chart(
    curves: Sequence[Curve],
    *,
    title: str,
    caption: str,
    y_label: str,
    axis: Callable[..., Axis],
    ticks: int = 5,
) -> Chart:
    y_axis = axis([value for curve in curves for value in curve.values], ticks=ticks)
    x_axis = _epochs(curves, ticks)
    paired = len({curve.split for curve in curves}) > 1
    return Chart(
        title=title,
        caption=caption,
        x_label="epoch",
        y_label=y_label,
        x_ticks=x_axis.ticks,
        y_ticks=upward(y_axis),
        lines=tuple(_line(curve, x_axis, y_axis, dashed=paired and curve.split == "val") for curve in curves),
    )


def _epochs(curves: Sequence[Curve], ticks: int) -> Axis:
    """From the first epoch to the last, ticks at whole epochs."""
    last = max(epoch for curve in curves for epoch in curve.epochs)
    first = min(epoch for curve in curves for epoch in curve.epochs)
    whole = [v for v in linear([0, last], ticks=ticks).values if v == int(v) and first <= v <= last]
    if first == last:
        return Axis(first - 1, last + 1, (first,))
    return Axis(first, last, tuple(dict.fromkeys([first, *(v for v in whole if v - first > last / 12)])))


def _line(curve: Curve, x_axis: Axis, y_axis: Axis, *, dashed: bool) -> Line:
    points = list(zip(curve.epochs, curve.values, strict=True))
    stride = -(-len(points) // MOST_POINTS)
    kept = points[::stride]
    if kept[-1] != points[-1]:
        kept.append(points[-1])
    seeds = len(curve.contestant.histories)
    return Line(
        tone=curve.contestant.tone,
        label=curve.contestant.label + (f", seed {curve.seed}" if seeds > 1 else "") + f", {curve.split}",
        dashed=dashed,
        points=" ".join(f"{x_axis.at(x):g},{100 - y_axis.at(y):g}" for x, y in kept),
        xs=" ".join(f"{x:g}" for x, _ in kept),
        ys=" ".join(f"{y:.4g}" for _, y in kept),
    )


def upward(axis: Axis) -> tuple[Tick, ...]:
    """Ticks from the top, where positions are counted from."""
    return tuple(Tick(round(100 - tick.at, 2), tick.text) for tick in axis.ticks)
