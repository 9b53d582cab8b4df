"""Charts in data units. Each is made once and rendered twice: by the templates and by `drawing`.

There are two kinds: `XYChart` has points and lines between two axes, `RowChart` dots or bars in named rows on
one axis. A `Grid` puts several charts into one file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from bench.reports.axes import Axis
from bench.reports.palette import Tone


class Named(Protocol):
    """What a colour stands for: a model, or a state of trials."""

    @property
    def label(self) -> str: ...
    @property
    def tone(self) -> Tone: ...


@dataclass(frozen=True)
class Point:
    """One point of an `XYChart`, with the range of its y values over seeds."""

    tone: Tone
    label: str
    x: float
    y: float
    tip: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A curve through (xs, ys)."""

    tone: Tone
    label: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    dashed: bool = False
    stepped: bool = False  # each value holds until the next x
    rule: bool = False  # marks a value of x rather than a series

    @property
    def corners(self) -> list[tuple[float, float]]:
        """The points to join: a stepped line turns at every x."""
        points = list(zip(self.xs, self.ys, strict=True))
        if not self.stepped:
            return points
        turns = [[(x, before), (x, y)] for (_, before), (x, y) in pairwise(points)]
        return [*points[:1], *(point for pair in turns for point in pair)]


@dataclass(frozen=True)
class XYChart:
    """Points and lines between two axes."""

    title: str
    caption: str
    x: Axis
    y: Axis
    points: tuple[Point, ...] = ()
    lines: tuple[Line, ...] = ()
    key: tuple[Named, ...] = ()  # what the colours stand for
    labelled: bool = False  # points carry their names, so that no key is needed


@dataclass(frozen=True)
class Dot:
    """One value in a row, with an interval where it has one."""

    tone: Tone
    label: str
    x: float
    tip: str
    low: float | None = None
    high: float | None = None
    link: str = ""  # the filter that shows its pictures, as in the page's address


@dataclass(frozen=True)
class ChartRow:
    """One row of a `RowChart`."""

    name: str
    dots: tuple[Dot, ...]
    tone: Tone | None = None  # of the model that the row is about
    mean: float | None = None  # marked by a bar where it is given
    band: tuple[float, float] | None = None  # the interval of the mean
    note: str = ""  # stands after the row on the page


@dataclass(frozen=True)
class RowChart:
    """Dots, or bars from zero, in named rows on one axis; the first row is on top."""

    title: str
    caption: str
    x: Axis
    rows: tuple[ChartRow, ...]
    key: tuple[Named, ...] = ()
    bars: bool = False
    stacked: bool = False  # bars one after the other rather than one under the other


AnyChart = XYChart | RowChart


@dataclass(frozen=True)
class Grid:
    """Several charts in one file: rows of panels."""

    title: str
    caption: str
    rows: tuple[tuple[AnyChart, ...], ...]
    names: tuple[str, ...] = ()  # of the rows, where they have any
    key: tuple[Named, ...] = ()


def in_rows(charts: Sequence[AnyChart], columns: int) -> tuple[tuple[AnyChart, ...], ...]:
    """Charts in reading order, `columns` to a row."""
    return tuple(tuple(charts[start : start + columns]) for start in range(0, len(charts), columns))
