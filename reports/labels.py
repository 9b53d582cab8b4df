"""Where the names of points stand on the page, so that none covers another."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.reports.charts import Point, XYChart

LABEL_GAP = 7.0
"""Percent of the plot's height between two labels."""

LETTER_WIDTH = 2.4
"""Percent of the plot's width that a label's letter takes on a phone; on a wide screen it is less."""

POINT_WIDTH = 3.0
"""Percent of the plot's width for the point itself and the space around it."""

LOWEST_LABEL = 97.0
"""Percent from the top: below it a label would cover the axis."""


@dataclass(frozen=True)
class Label:
    """A point's name; the point itself stays where it is."""

    point: Point
    x: float  # percent from the left, of the point
    y: float  # percent from the top, of the label
    left: bool  # the name stands to the left of the point


def labels(chart: XYChart) -> list[Label]:
    """One label a point, moved down first, and up again where the plot ends."""
    found = [
        Label(
            point=point,
            x=chart.x.at(point.x),
            y=chart.y.down(point.y),
            left=chart.x.at(point.x) + _width(point.label) > 100,
        )
        for point in chart.points
    ]
    found.sort(key=lambda label: label.y)
    levels = _spread([label.y for label in found], found)
    return [
        Label(label.point, label.x, round(y, 2), label.left) for label, y in zip(found, levels, strict=True)
    ]


def _spread(levels: list[float], found: Sequence[Label]) -> list[float]:
    """`levels` (percent from the top, ascending) with LABEL_GAP between labels that share some width."""
    for index, label in enumerate(found):
        for above in range(index):
            if _overlap(found[above], label):
                levels[index] = max(levels[index], levels[above] + LABEL_GAP)
    for index in reversed(range(len(found))):
        levels[index] = min(levels[index], LOWEST_LABEL)
        for below in range(index + 1, len(found)):
            if _overlap(found[below], found[index]):
                levels[index] = min(levels[index], levels[below] - LABEL_GAP)
    return levels


def _width(label: str) -> float:
    """Of a point with its label, percent of the plot's width."""
    return POINT_WIDTH + LETTER_WIDTH * len(label)


def _overlap(one: Label, other: Label) -> bool:
    """Whether two points with their labels share a part of the plot's width."""
    spans = [
        (label.x - _width(label.point.label), label.x + POINT_WIDTH)
        if label.left
        else (label.x - POINT_WIDTH, label.x + _width(label.point.label))
        for label in (one, other)
    ]
    (first, second) = spans
    return first[0] < second[1] and second[0] < first[1]
