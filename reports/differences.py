"""All pairs of models in one figure with their intervals: what `bench compare` shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import RunError
from bench.reports.comparison import Comparison, compare
from bench.reports.verdict import Verdict, verdict
from bench.statistics import CONFIDENCE, Difference
from bench.statistics import Comparison as Intervals
from bench.store import RunFolder


@dataclass(frozen=True)
class Compared:
    """The models of one dataset, with simultaneous 95 % intervals of one figure's differences."""

    comparison: Comparison
    figure: str
    intervals: Intervals | None
    """None where nothing is known of chance; `reason` says why."""
    reason: str
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """Plain values, for scripts."""
        found: dict[str, Any] = {
            "dataset": self.comparison.dataset,
            "figure": self.figure,
            "verdict": list(self.verdict.lines),
            "cautions": list(self.verdict.cautions),
            "reason": self.reason or None,
            "models": [],
            "differences": [],
        }
        if self.intervals is None:
            return found
        sample = self.intervals.sample
        found |= {
            "confidence": CONFIDENCE,
            "nominal_confidence": self.intervals.confidence,
            "margin": self.intervals.margin,
            "units": sample.units,
            "models": [
                {
                    "model": name,
                    "mean": float(sample.means[sample.models.index(name)]),
                    "seeds": int(sample.seeds[sample.models.index(name)]),
                    "rank": list(self.intervals.rank(name)),
                    "probability_best": self.intervals.best_probability[name],
                }
                for name in self.intervals.order
            ],
            "groups": [list(group) for group in self.intervals.groups],
            "differences": [_as_json(difference) for difference in self.intervals.differences],
        }
        return found

    def worse_than(self, model: str, by: float) -> list[Difference]:
        """Models that are worse than `model` by more than `by`, as far as intervals show it, minus `model`.

        Raises RunError where there is no such model, or nothing is known of chance.
        """
        if self.intervals is None:
            raise RunError(f"nothing can be said of a difference: {self.reason}")
        others = [name for name in self.intervals.order if name != model]
        if model not in self.intervals.order:
            raise RunError(
                "is not among the compared models",
                record="--fail-if-worse-than",
                value=model,
                hint=f"there are: {', '.join(others)}",
            )
        found = [self.intervals.difference(other, model) for other in others]
        return [difference for difference in found if difference.high < -by]


def differences(folders: Sequence[RunFolder], figure: str = "AP") -> list[Compared]:
    """One table for every dataset that the runs saw.

    Args:
        figure: as bench.evaluation.WeightedFigures names it: AP, AP50, AP_rare, f1, AP/CLASS ...

    Raises RunError as `compare` does, and for a figure that there is not.
    """
    return [_compared(comparison, figure) for comparison in compare(folders)]


def _compared(comparison: Comparison, figure: str) -> Compared:
    known = comparison.certainty
    intervals, reason = None, known if isinstance(known, str) else ""
    if not isinstance(known, str):
        if figure not in known.names:
            raise RunError(
                "is no figure", record="figure", value=figure, hint=f"there are: {', '.join(known.names)}"
            )
        intervals = known.comparison(figure)
        if intervals is None:
            reason = f"{figure} is not defined on the test split, or on too few draws of its images"
    return Compared(comparison, figure, intervals, reason, verdict(comparison))


def _as_json(difference: Difference) -> dict[str, Any]:
    return {
        "model": difference.one,
        "minus": difference.other,
        "difference": difference.estimate,
        "low": difference.low,
        "high": difference.high,
        "ahead": difference.ahead,
        "behind": difference.behind,
        "equivalent": difference.equivalent,
        "covers_training": difference.covers_training,
    }
