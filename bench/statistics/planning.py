"""How much more would tell: test images or seeds that would separate two models, if they differ as it seems.

A part of the variance falls with images, a part with seeds, a part with both (bench.statistics.sample). With
n' images instead of n and S' seeds of each model the variance of a difference is

    shared n / n'  +  sum over both models of (seed + interplay n / n') / S'

The difference that was found is taken for the true one; DETECTED of such comparisons would then show it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from bench.statistics.comparison import NOMINAL, combine, simultaneous
from bench.statistics.sample import Sample

DETECTED = 0.8
"""Power of the planned comparison, as is usual (Cohen 1988)."""

MOST_SEEDS = 50
MOST_TIMES = 1000
"""More seeds, or a test split so many times larger, are not worth proposing."""


@dataclass(frozen=True)
class Plan:
    """What would separate two models."""

    difference: float
    seeds: int | None
    """Of each model, on this split; None: no number up to MOST_SEEDS separates them."""
    units: int | None
    """Test images (or groups) with the seeds that there are; None: no split up to MOST_TIMES as large."""
    least: float
    """The smallest difference that this split could show with any number of seeds."""


@dataclass(frozen=True)
class _Parts:
    """Variance of a difference on the split that there is."""

    shared: float
    seed: tuple[float, float]
    interplay: tuple[float, float]
    units: int

    def detectable(self, seeds: tuple[int, int], times: float, confidence: float) -> float:
        """The true difference that would be found with probability DETECTED."""
        parts = [(self.shared / times, max(1, round(self.units * times) - 1))]
        parts += [
            ((seed + both / times) / size, max(1, size - 1))
            for seed, both, size in zip(self.seed, self.interplay, seeds, strict=True)
        ]
        error, df = combine(parts)
        return float(error * (stdtrit(df, 1 - (1 - confidence) / 2) + ndtri(DETECTED)))


def plan(sample: Sample, one: int, other: int, comparisons: int = 1, confidence: float = NOMINAL) -> Plan:
    """For the models at two places of `sample`; `comparisons` intervals are to hold at once."""
    each = simultaneous(confidence, comparisons)
    parts = _parts(sample, one, other)
    sizes = (int(sample.seeds[one]), int(sample.seeds[other]))
    difference = abs(float(sample.means[one] - sample.means[other]))

    def found(seeds: tuple[int, int], times: float) -> bool:
        return parts.detectable(seeds, times, each) <= difference

    seeds = None
    if min(sizes) > 1:
        more = range(max(sizes) + 1, MOST_SEEDS + 1)
        seeds = next((number for number in more if found((number, number), 1.0)), None)
    times = _least(lambda times: found(sizes, times)) if found(sizes, MOST_TIMES) else None
    return Plan(
        difference,
        seeds,
        None if times is None else math.ceil(times * sample.units),
        resolution(sample, one, other, comparisons, confidence),
    )


def resolution(
    sample: Sample, one: int, other: int, comparisons: int = 1, confidence: float = NOMINAL
) -> float:
    """Half-width of the interval between two models if each were trained with any number of seeds.

    Single seeds don't show how much of the luck with the images is theirs alone: it all counts here.
    """
    each = simultaneous(confidence, comparisons)
    return math.sqrt(_parts(sample, one, other).shared) * float(stdtrit(sample.units - 1, 1 - (1 - each) / 2))


def _parts(sample: Sample, one: int, other: int) -> _Parts:
    pair = [one, other]
    over = sample.over_images[np.ix_(pair, pair)]
    interplay = sample.interplay[pair]
    shared = over[0, 0] + over[1, 1] - 2 * over[0, 1] - (interplay / sample.seeds[pair]).sum()
    first, second = sample.seed_variance[pair].tolist()
    return _Parts(max(float(shared), 0.0), (first, second), (interplay[0], interplay[1]), sample.units)


def _least(found: Callable[[float], bool]) -> float:
    """The smallest number of times from 1 to MOST_TIMES for which `found`, to 1 %; it is for MOST_TIMES."""
    low, high = 0.0, math.log(MOST_TIMES)
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if found(math.exp(middle)) else (middle, high)
    return math.exp(high)
