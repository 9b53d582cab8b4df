"""Two models trained with the same seeds: one figure of both, and how sure its difference is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from bench.records import CellRecord
from bench.statistics import Difference

Figure = Callable[[CellRecord], float | None]
Outcome = Literal["better", "worse", "same", "unknown"]


@dataclass(frozen=True)
class Paired:
    """One figure of `ours` and `base`, for the seeds that have both."""

    seeds: tuple[int, ...]  # at least one
    base: tuple[float, ...]
    ours: tuple[float, ...]
    difference: Difference | None = None
    """Ours minus base with its interval over test images and seeds, where that is known."""

    @classmethod
    def of(
        cls,
        figure: Figure,
        base: Mapping[int, CellRecord],
        ours: Mapping[int, CellRecord],
        difference: Difference | None = None,
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
        return cls(seeds, old_values, new_values, difference)

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
        """95 %, over test images and, with several seeds, over seeds; None where it is not known."""
        return (self.difference.low, self.difference.high) if self.difference else None

    @property
    def outcome(self) -> Outcome:
        """Whether ours is better, worse, or as good within the margin; else it can't be told.

        Of single trainings nothing is claimed: another seed of the same model might reverse it.
        """
        if self.difference is None or not self.difference.covers_training:
            return "unknown"
        if self.difference.ahead:
            return "better"
        if self.difference.behind:
            return "worse"
        return "same" if self.difference.equivalent else "unknown"
