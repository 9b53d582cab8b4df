"""Training curves: histories turned into points, one curve a cell."""

import math
from dataclasses import dataclass

from bench.reports.comparison import Comparison, Contestant


@dataclass(frozen=True)
class Curve:
    """One figure of one cell over its epochs."""

    contestant: Contestant
    seed: int
    split: str  # 'train' or 'val'
    epochs: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class LossChart:
    """One component of one model's loss, on train and val, for all its seeds."""

    contestant: Contestant
    component: str
    curves: tuple[Curve, ...]


def val_ap(comparison: Comparison) -> list[Curve]:
    """AP on val after each validated epoch, for all models."""
    return [
        curve
        for contestant in comparison.contestants
        for seed in contestant.histories
        if (curve := _curve(contestant, seed, "val", "metrics/AP"))
    ]


def losses(comparison: Comparison) -> list[LossChart]:
    """By model, then by component in the order of the history."""
    return [
        LossChart(contestant, component, curves)
        for contestant in comparison.contestants
        for component in _components(contestant)
        if (curves := _both(contestant, component))
    ]


def _components(contestant: Contestant) -> list[str]:
    keys = (key for rows in contestant.histories.values() for row in rows for key in row)
    return list(dict.fromkeys(key.partition("/")[2] for key in keys if key.startswith(("train/", "val/"))))


def _both(contestant: Contestant, component: str) -> tuple[Curve, ...]:
    return tuple(
        curve
        for seed in contestant.histories
        for split in ("train", "val")
        if (curve := _curve(contestant, seed, split, f"{split}/{component}"))
    )


def _curve(contestant: Contestant, seed: int, split: str, key: str) -> Curve | None:
    points = [
        (row["epoch"], row[key])
        for row in contestant.histories[seed]
        if "epoch" in row and key in row and math.isfinite(row[key])
    ]
    if not points:
        return None
    epochs, values = zip(*points, strict=True)
    return Curve(contestant, seed, split, epochs, values)
