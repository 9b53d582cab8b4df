"""The page's control for what errors, time and size cost the reader: its data, with intervals.

The cost of a model for one picture, in false alarms, is

    missed objects x C + false alarms + latency x L + checkpoint size x S

at the score threshold with the lowest cost of errors on val for that C. The page holds, for every C of
operating.MISS_COSTS, each model's cost of errors on test and the half-width of the 95 % interval of every
difference (all pairs at once), and the same for latency. The script adds them up; half-widths as
independent errors.
"""

import json
from dataclasses import dataclass
from itertools import product
from typing import Any

from bench.reports import costs
from bench.reports.cautions import NEAR_ZERO_AP
from bench.reports.certainty import Certainty
from bench.reports.comparison import Comparison, Contestant
from bench.reports.operating import MISS_COSTS
from bench.reports.ranking import Spread
from bench.statistics import Comparison as Intervals


@dataclass(frozen=True)
class Weighing:
    """What the control needs."""

    miss_costs: tuple[float, ...]
    has_latency: bool
    data: str  # JSON


def weighing(comparison: Comparison) -> Weighing | None:
    """Of the models that find something; None where fewer than two have figures on draws of the images."""
    known = comparison.certainty
    if isinstance(known, str):
        return None
    found = [known.comparison(f"error_cost_{cost:g}") for cost in MISS_COSTS]
    of_errors = [intervals for intervals in found if intervals is not None]
    models = [
        c
        for c in comparison.contestants
        if c.ranked.ap
        and c.ranked.ap.mean >= NEAR_ZERO_AP
        and all(c.label in intervals.order for intervals in of_errors)
    ]
    if len(models) < 2 or len(of_errors) < len(MISS_COSTS):
        return None
    timing = _timing(models)
    data: dict[str, Any] = {
        "models": [c.label for c in models],
        "tones": [c.tone.css for c in models],
        "several": _several(known, models),
        "missCosts": MISS_COSTS,
        "errors": [_means(intervals, models) for intervals in of_errors],
        "errorHalves": [_halves(intervals, models) for intervals in of_errors],
        "latency": _means(timing, models) if timing else None,
        "latencyHalves": _halves(timing, models) if timing else None,
        "megabytes": [_round(size.mean / 1e6) if (size := _size(c)) else None for c in models],
    }
    return Weighing(MISS_COSTS, timing is not None, json.dumps(data, separators=(",", ":")))


def _timing(models: list[Contestant]) -> Intervals | None:
    """None where models were timed on different devices, or one was not timed."""
    devices = {r.efficiency.device for c in models for r in c.done if r.efficiency}
    if len(devices) != 1:
        return None
    return costs.compared({c.label: c.done for c in models}, costs.LATENCY)


def _several(known: Certainty, models: list[Contestant]) -> bool:
    """All models have several seeds, so that the intervals cover the training."""
    return all(known.seeds[known.models.index(c.label)] > 1 for c in models)


def _size(contestant: Contestant) -> Spread | None:
    return contestant.spread(lambda r: float(r.efficiency.checkpoint_bytes) if r.efficiency else None)


def _means(intervals: Intervals, models: list[Contestant]) -> list[float]:
    sample = intervals.sample
    return [_round(float(sample.means[sample.models.index(c.label)])) for c in models]


def _halves(intervals: Intervals, models: list[Contestant]) -> list[float]:
    """Of model i against model j at place i x models + j."""
    return [
        0.0 if one is other else _round(intervals.difference(one.label, other.label).half_width)
        for one, other in product(models, models)
    ]


def _round(value: float) -> float:
    return float(f"{value:.5g}")
