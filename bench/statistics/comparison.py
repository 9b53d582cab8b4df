"""All pairs of N models: differences with simultaneous intervals, ranks, and who can't be told apart.

Every claim here is read off one set of intervals that hold together with CONFIDENCE, so claims can't
contradict each other: a model is ahead of another where their interval lies above 0, as good as it where the
interval lies within the margin, of rank r at worst where all but r - 1 models are behind it.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

from bench.statistics.sample import Array, Sample

CONFIDENCE = 0.95
"""That all intervals of a comparison hold at once."""

NOMINAL = 0.97
"""The level at which Student's t is taken for figures of detection, so that intervals hold with CONFIDENCE.

At a nominal 95 % they hold in 93 to 94 % of simulated cases: AP on few images is too high, not equally for
all models, and its variance is known from few rare objects. Calibrating the level by simulation: Loh (1987).
docs/statistics.md has the causes, the simulation, and what else was tried.
"""

MARGIN = 0.01
"""AP. Models whose difference surely is smaller are as good as each other; `report.margin` changes it."""

RANK_DRAWS = 20_000
"""Of the models' means, for the probability that each is best: off by at most 0.4 points."""


@dataclass(frozen=True)
class Difference:
    """Model `one` minus model `other`."""

    one: str
    other: str
    estimate: float
    error: float
    """Standard error."""
    df: float
    """Degrees of freedom of the standard error."""
    low: float
    high: float
    margin: float
    covers_training: bool
    """Whether the interval covers another training of the same models; one seed shows nothing of that."""

    @property
    def half_width(self) -> float:
        """A difference up to this could have gone unseen."""
        return (self.high - self.low) / 2

    @property
    def ahead(self) -> bool:
        """`one` is better than `other`."""
        return self.low > 0

    @property
    def behind(self) -> bool:
        return self.high < 0

    @property
    def equivalent(self) -> bool:
        """The difference is smaller than the margin, whatever its sign (Schuirmann 1987)."""
        return -self.margin < self.low and self.high < self.margin

    @property
    def reversed(self) -> "Difference":
        return Difference(
            self.other,
            self.one,
            -self.estimate,
            self.error,
            self.df,
            -self.high,
            -self.low,
            self.margin,
            self.covers_training,
        )


@dataclass(frozen=True)
class Comparison:
    """The models of one sample, best mean first."""

    sample: Sample
    margin: float = MARGIN
    confidence: float = NOMINAL
    """Nominal level; CONFIDENCE where no figure depends on images, as for latencies."""

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Model names, best mean first."""
        return tuple(self.sample.models[m] for m in np.argsort(-self.sample.means, kind="stable"))

    @cached_property
    def _differences(self) -> dict[tuple[str, str], Difference]:
        models = self.sample.models
        pairs = list(itertools.combinations(range(len(models)), 2))
        critical = 1 - (1 - simultaneous(self.confidence, len(pairs))) / 2
        found = {}
        for one, other in pairs:
            error, df = standard_error(self.sample, one, other)
            half = error * float(stdtrit(df, critical)) if error else 0.0
            estimate = float(self.sample.means[one] - self.sample.means[other])
            difference = Difference(
                models[one],
                models[other],
                estimate,
                error,
                df,
                estimate - half,
                estimate + half,
                self.margin,
                bool(min(self.sample.seeds[[one, other]]) > 1),
            )
            found[models[one], models[other]] = difference
            found[models[other], models[one]] = difference.reversed
        return found

    def difference(self, one: str, other: str) -> Difference:
        return self._differences[one, other]

    @cached_property
    def differences(self) -> list[Difference]:
        """All pairs, the better mean first, in the order of the ranking."""
        return [self.difference(one, other) for one, other in itertools.combinations(self.order, 2)]

    def rank(self, model: str) -> tuple[int, int]:
        """Best and worst rank that the intervals leave open; all ranks hold at once.

        From simultaneous intervals of differences: Klein, Wright and Wieczorek (2020), Mogstad et al. (2024).
        """
        others = [self.difference(model, other) for other in self.order if other != model]
        better = sum(difference.behind for difference in others)
        worse = sum(difference.ahead for difference in others)
        return 1 + better, len(self.order) - worse

    @cached_property
    def best(self) -> str | None:
        """The model that is ahead of every other; None where none is."""
        first = self.order[0]
        return first if self.rank(first) == (1, 1) and len(self.order) > 1 else None

    @cached_property
    def rivals(self) -> tuple[str, ...]:
        """Models that can't be told from the first: it is not ahead of them."""
        first = self.order[0]
        return tuple(m for m in self.order[1:] if not self.difference(first, m).ahead)

    @cached_property
    def groups(self) -> list[tuple[str, ...]]:
        """Models of which none is ahead of another, as large as possible, best first: a compact letter
        display (Piepho 2004). A model may be in several."""
        alike = {
            (one, other)
            for one, other in itertools.permutations(self.order, 2)
            if not self.difference(one, other).ahead and not self.difference(one, other).behind
        }
        return sorted(_cliques(self.order, alike), key=lambda group: [self.order.index(m) for m in group])

    @cached_property
    def best_probability(self) -> dict[str, float]:
        """How likely each model's true mean is the highest, as far as this sample knows.

        Means are drawn around the estimates: the luck with the images from its covariance, the seeds' from
        Student's t with S_m - 1 degrees of freedom; shares of RANK_DRAWS. The posterior of normal means under
        flat priors (Gelman et al. 2013, 3.2), with the covariance over images taken as known.
        """
        sample = self.sample
        rng = np.random.default_rng(0)
        kept = sample.over_images + 1e-18 * np.eye(len(sample.models))
        drawn = rng.multivariate_normal(sample.means, kept, RANK_DRAWS, check_valid="ignore")
        for m, size in enumerate(sample.seeds):
            if size > 1:
                spread = math.sqrt(sample.seed_variance[m] / size)
                drawn[:, m] += spread * rng.standard_t(size - 1, RANK_DRAWS)
        first = np.bincount(np.argmax(drawn, axis=1), minlength=len(sample.models))
        return {m: float(n) / RANK_DRAWS for m, n in zip(sample.models, first, strict=True)}


def simultaneous(confidence: float, intervals: int) -> float:
    """The confidence at which each of several intervals is taken so that all hold at once (Sidak 1967)."""
    return float(confidence ** (1 / max(1, intervals)))


def standard_error(sample: Sample, one: int, other: int) -> tuple[float, float]:
    """Of the difference between two models' means, and its degrees of freedom.

    The parts of the variance add up; their degrees of freedom are combined as Welch (1947) and
    Satterthwaite (1946) have it. Where the two models' seeds scatter less than is typical of all models, the
    typical spread is taken.
    """
    pair = [one, other]
    sizes = sample.seeds[pair]
    over_images = sample.over_images[np.ix_(pair, pair)]
    fixed_seeds = float(over_images[0, 0] + over_images[1, 1] - 2 * over_images[0, 1])
    shared = max(fixed_seeds - float((sample.interplay[pair] / sizes).sum()), 0.0)
    several = sizes > 1
    seeds = [
        (float(variance / size), int(size) - 1)
        for variance, size in zip(sample.between[pair][several], sizes[several], strict=True)
    ]
    if sample.typical_between:
        variance, df = sample.typical_between
        typical = float((variance / sizes[several]).sum())
        if typical > sum(own for own, _ in seeds):
            seeds = [(typical, df)]
    return combine([(shared, sample.units - 1), *seeds])


def combine(parts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Square root of the sum of variances, each with its degrees of freedom, and those of the sum."""
    total = sum(variance for variance, _ in parts)
    squares = sum(variance**2 / df for variance, df in parts)
    if squares <= 0:  # nothing varies, or by less than a float can hold the square of
        return math.sqrt(total), float(parts[0][1])
    return math.sqrt(total), float(total**2 / squares)


def _cliques(nodes: Sequence[str], edges: set[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Maximal cliques (Bron and Kerbosch 1973)."""
    found: list[tuple[str, ...]] = []

    def grow(clique: list[str], open_: list[str], closed: list[str]) -> None:
        if not open_ and not closed:
            found.append(tuple(sorted(clique, key=list(nodes).index)))
        for node in list(open_):
            near = {other for other in nodes if (node, other) in edges}
            grow([*clique, node], [o for o in open_ if o in near], [c for c in closed if c in near])
            open_.remove(node)
            closed.append(node)

    grow([], list(nodes), [])
    return found


__all__ = ["CONFIDENCE", "MARGIN", "NOMINAL", "Array", "Comparison", "Difference", "combine", "simultaneous"]
