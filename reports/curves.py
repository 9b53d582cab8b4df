"""Training curves: histories turned into charts, one line a cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.reports.axes import Axis, linear, logarithmic, of_ap, whole
from bench.reports.charts import Grid, Line, XYChart
from bench.reports.comparison import Comparison, Contestant

MOST_POINTS = 240
"""Points that a curve keeps; more can't be told apart at this width."""

STEEP = 50
"""A loss that falls by more than this factor gets a logarithmic axis."""


@dataclass(frozen=True)
class ModelLosses:
    """One small chart for every component of one model's loss."""

    contestant: Contestant
    charts: tuple[XYChart, ...]


def learning(comparison: Comparison) -> XYChart | None:
    """AP on val over the epochs, all models in one chart; None where no cell has a history."""
    lines = [
        line
        for contestant in comparison.contestants
        for seed in contestant.histories
        if (line := _line(contestant, seed, "val", "metrics/AP"))
    ]
    if not lines:
        return None
    return XYChart(
        title="AP on val during training",
        caption="After each validated epoch, one line per seed. Val chose the checkpoint; "
        "the test split played no part.",
        x=_epochs(lines, 5),
        y=of_ap(value for line in lines for value in line.ys).named("AP, val split"),
        lines=tuple(lines),
        key=comparison.contestants,
    )


def losses(comparison: Comparison) -> list[ModelLosses]:
    """By model, then by component in the order of the history; models without a history are left out."""
    found = [
        ModelLosses(
            contestant,
            tuple(
                _loss(component, lines)
                for component in _components(contestant)
                if (lines := _both_splits(contestant, component))
            ),
        )
        for contestant in comparison.contestants
    ]
    return [model for model in found if model.charts]


def loss_grid(comparison: Comparison) -> Grid | None:
    """All components of all models in one file, one row a model."""
    found = losses(comparison)
    if not found:
        return None
    return Grid(
        title="Losses by component",
        caption="means over each epoch, one line per seed; solid: train, dashed: val",
        rows=tuple(model.charts for model in found),
        names=tuple(model.contestant.label for model in found),
    )


def _loss(component: str, lines: Sequence[Line]) -> XYChart:
    values = [value for line in lines for value in line.ys]
    steep = min(values) > 0 and max(values) / min(values) > STEEP
    return XYChart(
        title=component,
        caption="",
        x=_epochs(lines, 3),
        y=logarithmic(values) if steep else linear(values, ticks=3, zero=False),
        lines=tuple(lines),
    )


def _components(contestant: Contestant) -> list[str]:
    keys = (key for rows in contestant.histories.values() for row in rows for key in row)
    return list(dict.fromkeys(key.partition("/")[2] for key in keys if key.startswith(("train/", "val/"))))


def _both_splits(contestant: Contestant, component: str) -> list[Line]:
    """Train solid, val dashed; solid too where there is no train."""
    pairs = [
        (split, line)
        for seed in contestant.histories
        for split in ("train", "val")
        if (line := _line(contestant, seed, split, f"{split}/{component}"))
    ]
    paired = len({split for split, _ in pairs}) > 1
    return [replace(line, dashed=paired and split == "val") for split, line in pairs]


def _epochs(lines: Sequence[Line], ticks: int) -> Axis:
    """From the first epoch to the last."""
    first = min(x for line in lines for x in line.xs)
    return whole(first, max(x for line in lines for x in line.xs), ticks=ticks).named("epoch")


def _line(contestant: Contestant, seed: int, split: str, key: str) -> Line | None:
    """One figure of one cell over its epochs, thinned to MOST_POINTS; None where no value is finite."""
    points = [
        (row["epoch"], row[key])
        for row in contestant.histories[seed]
        if "epoch" in row and key in row and math.isfinite(row[key])
    ]
    if not points:
        return None
    kept = points[:: -(-len(points) // MOST_POINTS)]
    if kept[-1] != points[-1]:
        kept.append(points[-1])
    epochs, values = zip(*kept, strict=True)
    seeds = len(contestant.histories)
    return Line(
        tone=contestant.tone,
        label=contestant.label + (f", seed {seed}" if seeds > 1 else "") + f", {split}",
        xs=epochs,
        ys=values,
    )
