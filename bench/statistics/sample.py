"""One figure of several models on one split, and what its variance consists of.

The figure of seed s of model m on a split of n images is taken as

    figure = mean of the model + luck of the seed + luck of the model with these images
             + what is left between this seed and these images.

K models, model m with S_m seeds. The variance of a model's mean over seeds has three parts:

    images     of the luck with the images that its seeds share: falls with more test images alone
    seeds      of the luck of the seeds: falls with more seeds alone
    interplay  of what is left: falls with both

Resampling the images while the trainings stay as they are shows images + interplay / S_m; the spread of the
seeds on the one split that there is shows seeds + interplay. The interplay stands in both, and is known from
how the seeds of one model differ over the draws; it is counted once. docs/statistics.md has the derivation,
and how often the intervals hold for simulated detectors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """A figure of every training on the split itself, and its covariance over draws of images."""

    models: tuple[str, ...]
    values: tuple[Array, ...]
    """(S_m,) by model."""
    covariance: Array
    """(trainings, trainings), the trainings of a model together, in the order of `values`."""
    units: int
    """Images, or groups of images, that were drawn."""

    @classmethod
    def of(
        cls, models: Sequence[str], values: Sequence[Sequence[float]], draws: Array, units: int
    ) -> "Sample | None":
        """From figures by model and seed, and the same trainings' figures over draws, (draws, trainings).

        A draw in which a training has no figure (NaN: no object was drawn) is left out for all. None where
        fewer than half of the draws are left, or there are fewer than two units: too little is known then.
        """
        whole = draws[np.isfinite(draws).all(axis=1)]
        if units < 2 or len(whole) < max(2, len(draws) / 2):
            return None
        # A multinomial draw of n has (n - 1) / n of the variance of a fresh sample.
        covariance = np.atleast_2d(np.cov(whole, rowvar=False)) * units / (units - 1)
        return cls(tuple(models), tuple(np.asarray(v, dtype=np.float64) for v in values), covariance, units)

    @classmethod
    def of_table(cls, seeds: Mapping[str, int], table: Array, units: int) -> "Sample | None":
        """From (1 + draws, trainings): the split itself, then the draws; trainings by model, then seed.

        `seeds`: model -> number of its trainings. None also where a training lacks the figure (NaN).
        """
        if not np.isfinite(table[0]).all():
            return None
        values = np.split(table[0], np.cumsum(list(seeds.values()))[:-1])
        return cls.of(tuple(seeds), [part.tolist() for part in values], table[1:], units)

    @cached_property
    def seeds(self) -> NDArray[np.int64]:
        """S_m, (K,)."""
        return np.array([len(values) for values in self.values])

    @cached_property
    def means(self) -> Array:
        """Over seeds, (K,)."""
        return np.array([values.mean() for values in self.values])

    @cached_property
    def between(self) -> Array:
        """Variance between a model's seeds on this split: seeds + interplay, (K,); 0 for a single seed."""
        return np.array([values.var(ddof=1) if len(values) > 1 else 0.0 for values in self.values])

    @cached_property
    def typical_between(self) -> tuple[float, int] | None:
        """The median over models of `between`, and its degrees of freedom; None for fewer than three models.

        Each variance is divided by the median of chi-squared over its degrees of freedom, so that the median
        is not too low. With few seeds a model's spread is small by accident now and then: of many pairs some
        would be told apart for no other reason.
        """
        known = self.seeds > 1
        if known.sum() < 3:
            return None
        df = self.seeds[known] - 1
        return float(np.median(self.between[known] * df / chdtri(df, 0.5))), int(df.sum())

    @cached_property
    def interplay(self) -> Array:
        """Variance over draws of a seed's distance from its model's mean, (K,); 0 for a single seed.

        For a single seed it can't be told from the model's own luck with the images, and counts as that.
        """
        found = []
        for block, size in zip(self._blocks, self.seeds, strict=True):
            within = self.covariance[block, block]
            found.append((np.trace(within) - within.sum() / size) / (size - 1) if size > 1 else 0.0)
        return np.array(found)

    @cached_property
    def seed_variance(self) -> Array:
        """Of the luck of a seed alone, (K,): what the spread between seeds shows beyond the interplay."""
        return np.maximum(self.between - self.interplay, 0.0)

    @cached_property
    def over_images(self) -> Array:
        """Covariance over draws of the models' means, with the trainings as they are, (K, K)."""
        averaging = np.zeros((len(self.seeds), len(self.covariance)))
        for row, (block, size) in enumerate(zip(self._blocks, self.seeds, strict=True)):
            averaging[row, block] = 1 / size
        return np.asarray(averaging @ self.covariance @ averaging.T)

    @cached_property
    def _blocks(self) -> list[slice]:
        ends = np.cumsum(self.seeds)
        return [slice(int(end - size), int(end)) for end, size in zip(ends, self.seeds, strict=True)]

    def subset(self, models: Sequence[int]) -> "Sample":
        """The models at these places, in this order."""
        rows = np.concatenate([np.arange(len(self.covariance))[self._blocks[m]] for m in models])
        return Sample(
            tuple(self.models[m] for m in models),
            tuple(self.values[m] for m in models),
            self.covariance[np.ix_(rows, rows)],
            self.units,
        )
