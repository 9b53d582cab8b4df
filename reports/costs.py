"""What models cost, compared with intervals: latency, parameters, memory. Less is better.

Parameters are exact. Latency and memory are measured: a model's repetitions are its cells, each in a
process of its own; where a model has a single cell, latency has the rounds within it and memory has none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.records import CellRecord
from bench.reports.comparison import Contestant
from bench.reports.wording import mebibytes, millions, number, share
from bench.statistics import CONFIDENCE, Comparison, Difference, Sample

LEAST_ROUNDS = 3

WORTH_TELLING = 0.05
"""Costs that differ by a smaller share are alike."""


@dataclass(frozen=True)
class Cost:
    """One kind of cost: how a record gives it, and how it is written."""

    figure: Callable[[CellRecord], float | None]
    write: Callable[[float | None], str]
    exact: bool = False


def peak_memory_mib(record: CellRecord) -> float | None:
    """On a GPU its own memory, else the process's."""
    if record.efficiency is None:
        return None
    return record.efficiency.peak_gpu_memory_mib or record.efficiency.peak_memory_mib


LATENCY = Cost(
    lambda record: record.efficiency.latency_ms if record.efficiency else None,
    lambda value: f"{number(value)} ms",
)
PARAMETERS = Cost(
    lambda record: float(record.description.parameters) if record.description else None,
    lambda value: f"{millions(value)} parameters",
    exact=True,
)
MEMORY = Cost(peak_memory_mib, mebibytes)


def compared(models: Mapping[str, Sequence[CellRecord]], cost: Cost) -> Comparison | None:
    """One cost of several models; None where one of them has none.

    The margin is WORTH_TELLING of the lowest mean. A model that was measured once makes an interval that
    covers nothing (`covers_training` is False). The models of a seed are timed in turns
    (bench.runner.timing).
    """
    values = {name: _repetitions(records, cost, _several(models, cost)) for name, records in models.items()}
    if not values or not all(len(found) for found in values.values()):
        return None
    trainings = sum(len(found) for found in values.values())
    sample = Sample(tuple(values), tuple(values.values()), np.zeros((trainings, trainings)), units=2)
    return Comparison(sample, WORTH_TELLING * float(sample.means.min()), CONFIDENCE)


def _several(models: Mapping[str, Sequence[CellRecord]], cost: Cost) -> bool:
    """Every model was measured in several cells."""
    return all(sum(cost.figure(r) is not None for r in records) > 1 for records in models.values())


def _repetitions(records: Sequence[CellRecord], cost: Cost, cells: bool) -> np.ndarray:
    known = [value for record in records if (value := cost.figure(record)) is not None]
    if cost is LATENCY and not cells and known:
        timed = next(record.efficiency for record in records if record.efficiency)
        if len(timed.latency_rounds_ms) >= LEAST_ROUNDS:
            return np.array(timed.latency_rounds_ms)
        known = known[:1]
    return np.array(known[:1] if cost.exact else known, dtype=np.float64)


def latency_difference(models: Mapping[str, Sequence[CellRecord]], one: str, other: str) -> Difference | None:
    """Milliseconds of `one` minus `other`; None where one of them was timed neither twice nor in rounds."""
    found = compared(models, LATENCY)
    difference = found.difference(one, other) if found and {one, other} <= set(found.order) else None
    return difference if difference and difference.covers_training else None


def cheaper_than(best: Contestant, ranked: Sequence[Contestant]) -> str:
    """A sentence: who is quicker or smaller than the best, and at what AP."""
    parts = []
    quick, small = _least(ranked, LATENCY), _least(ranked, PARAMETERS)
    if quick and quick[0] is not best and quick[2] is not None and quick[1] <= (1 - WORTH_TELLING) * quick[2]:
        parts += _quicker(best, ranked, *quick)
    if small and small[0] is not best and small[2] is not None and small[1] <= (1 - WORTH_TELLING) * small[2]:
        parts.append(
            f"{small[0].label} is smaller: {number(small[1] / 1e6)} M parameters instead of "
            f"{number(small[2] / 1e6)} M, at a test AP of {_ap(small[0])}"
        )
    if not parts and (also := [word for cost, word in _ALSO if _is_clearly_least(best, ranked, cost)]):
        return f"{best.label} is also {' and '.join(also)}."
    return f"{'; '.join(parts)}." if parts else ""


_ALSO = ((PARAMETERS, "the smallest"), (LATENCY, "the quickest"))


def _is_clearly_least(best: Contestant, ranked: Sequence[Contestant], cost: Cost) -> bool:
    """Every other model costs more, by more than repetitions vary and by more than WORTH_TELLING."""
    found = compared({c.label: c.done for c in ranked}, cost)
    if found is None:
        return False
    others = [found.difference(c.label, best.label) for c in ranked if c is not best]
    return all(d.ahead and d.estimate > found.margin and (cost.exact or d.covers_training) for d in others)


def _quicker(
    best: Contestant, ranked: Sequence[Contestant], quick: Contestant, mine: float, theirs: float | None
) -> list[str]:
    """Nothing where repeated timing does not show it."""
    times = f"{number(mine)} ms an image instead of {number(theirs)} ms"
    timed = {c.label: c.done for c in ranked if any(record.efficiency for record in c.done)}
    difference = latency_difference(timed, quick.label, best.label)
    if difference is None:
        return [f"{quick.label} was quicker, timed once: {times}, at a test AP of {_ap(quick)}"]
    if not difference.behind:
        return []
    low, high = (number(-end) for end in (difference.high, difference.low))
    return [f"{quick.label} is quicker: {times} (by {low} to {high} ms), at a test AP of {_ap(quick)}"]


def _least(ranked: Sequence[Contestant], cost: Cost) -> tuple[Contestant, float, float | None] | None:
    """The contestant with the lowest mean, its mean, and the best-ranked one's; None where nobody has one."""
    known = [(c, spread.mean) for c in ranked if (spread := c.spread(cost.figure))]
    if not known:
        return None
    least = min(known, key=lambda pair: pair[1])
    first = ranked[0].spread(cost.figure)
    return least[0], least[1], first.mean if first else None


def _ap(contestant: Contestant) -> str:
    return share(contestant.ranked.ap.mean if contestant.ranked.ap else None)
