"""Two trainings of every seed, subtracted seed by seed: what of a difference is more than chance."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from bench.records import CellRecord

CONFIDENCE = 0.95
"""Of the t-interval."""

LEAST_DIFFERENCE = 0.0005
"""A smaller one does not show in figures of three digits: it is none."""

Figure = Callable[[CellRecord], float | None]
Outcome = Literal["better", "worse", "same", "unknown"]


@dataclass(frozen=True)
class Paired:
    """One figure of `ours` and `base`, for the seeds that have both."""

    seeds: tuple[int, ...]  # at least one
    base: tuple[float, ...]
    ours: tuple[float, ...]

    @classmethod
    def of(
        cls, figure: Figure, base: Mapping[int, CellRecord], ours: Mapping[int, CellRecord]
    ) -> "Paired | None":
        """From records by seed; None where no seed has the figure on both sides."""
        pairs = [
            (seed, old, new)
            for seed in sorted(base.keys() & ours.keys())
            if (old := figure(base[seed])) is not None and (new := figure(ours[seed])) is not None
        ]
        if not pairs:
            return None
        seeds, old_values, new_values = zip(*pairs, strict=True)
        return cls(seeds, old_values, new_values)

    @property
    def differences(self) -> tuple[float, ...]:
        """Ours minus base, by seed."""
        return tuple(new - old for old, new in zip(self.base, self.ours, strict=True))

    @property
    def mean(self) -> float:
        return fmean(self.differences)

    @property
    def base_mean(self) -> float:
        return fmean(self.base)

    @property
    def ours_mean(self) -> float:
        return fmean(self.ours)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's t-interval of the mean difference (paired, two-sided, CONFIDENCE); None for one seed."""
        from scipy.stats import t

        n = len(self.seeds)
        if n < 2:
            return None
        half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * stdev(self.differences) / math.sqrt(n)
        return self.mean - half, self.mean + half

    @property
    def outcome(self) -> Outcome:
        """Whether ours is better or worse by more than the seeds' spread accounts for."""
        interval = self.interval
        if interval is None:
            return "unknown"
        if abs(self.mean) < LEAST_DIFFERENCE or interval[0] <= 0 <= interval[1]:
            return "same"
        return "better" if self.mean > 0 else "worse"
