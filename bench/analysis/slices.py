"""Where models differ: AP, errors and counts by class, object size and image property, with intervals.

    models = {"a": [Judged(table, threshold), ...], "b": [...]}   # an entry for each seed
    for part in slices(models, units, {"brightness": values}):
        estimate(part.samples["AP"], 0)                           # model a's AP there, with its interval
        Comparison(part.samples["AP"]).difference("a", "b")

The same draws of the test images as for the verdict are taken, each restricted to the slice. Intervals of
many slices do not hold together: of twenty, one misses. Look at them to find out why, not whether.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.parts import of_images, of_sizes
from bench.analysis.rates import Counts
from bench.evaluation import MatchTable, WeightedFigures
from bench.statistics import Sample, image_weights

SLICES = 3
"""Of each property, of about equally many images (or objects, for sizes)."""

SLICE_DRAWS = 200
"""A standard error from so many draws is off by 5 %."""

APS = ("AP", "AP50", "AP75", "AR_100")
"""The figures of a slice beside bench.analysis.rates.RATES."""

Floats = NDArray[np.float64]
Figures = dict[str, Floats]
"""Name -> (1 + draws,): the figure itself, then on each draw."""


@dataclass(frozen=True)
class Judged:
    """One training on the test split."""

    table: MatchTable
    score_threshold: float
    """Chosen on val."""


Models = Mapping[str, Sequence[Judged]]
"""Name -> one entry for each seed."""


@dataclass(frozen=True)
class Slice:
    """A part of the test split, and every model on it."""

    by: str
    """`class`, `object size`, or the name of an image property."""
    name: str | None
    """Of the class; None for others."""
    low: float | None
    """Least and greatest value in the slice (square pixels for sizes); None for a class."""
    high: float | None
    images: int
    """With such a property; for classes and sizes, those with such an object."""
    objects: int
    """Without crowds."""
    samples: Mapping[str, Sample]
    """Figure of APS or RATES -> its Sample; left out where a training lacks it or most draws do."""


def slices(
    models: Models,
    units: NDArray[np.intp],
    properties: Mapping[str, Floats],
    *,
    amount: int = SLICES,
    draws: int = SLICE_DRAWS,
) -> Iterator[Slice]:
    """By image property, property by property, from the lowest values up.

    Args:
        models: all judged on the same split of I images.
        units: the group of each image, (I,), as bench.statistics.units_of numbers them.
        properties: name -> value of each image, (I,), in the order of the tables' `image_ids`; an image whose
            value is NaN is in no slice. See bench.analysis.image_properties.
        amount: slices of each property; fewer where many images share a value.
    """
    weights = _weights(units, draws)
    for by, values in properties.items():
        for low, high in ranges(values, amount):
            kept = (values >= low) & (values <= high)

            def figures(judged: Judged, kept: NDArray[np.bool_] = kept) -> Figures:
                part = of_images(judged.table, kept)
                return _figures(part, judged.score_threshold, weights[:, kept])

            first = _first(models)
            objects = int(np.count_nonzero(kept[first.object_image] & ~first.object_crowd))
            samples = _samples(models, figures, _amount(units[kept]))
            yield Slice(by, None, low, high, int(kept.sum()), objects, samples)


def size_slices(
    models: Models, units: NDArray[np.intp], *, amount: int = SLICES, draws: int = SLICE_DRAWS
) -> Iterator[Slice]:
    """By the area of objects, in quantiles of this split; COCO's sizes suit COCO. From the smallest up."""
    weights, first = _weights(units, draws), _first(models)
    found = ranges(first.object_area[~first.object_crowd], amount)
    # Detections of any area: the first range begins at 0, each next one right after the one before.
    begins = [0.0, *(float(np.nextafter(high, np.inf)) for _, high in found)]
    ends = [*(high for _, high in found[:-1]), np.inf]
    for (low, high), begin, end in zip(found, begins, ends, strict=False):

        def figures(judged: Judged, begin: float = begin, end: float = end) -> Figures:
            return _figures(of_sizes(judged.table, begin, end), judged.score_threshold, weights)

        mine = ~of_sizes(first, begin, end).object_crowd
        samples = _samples(models, figures, _amount(units))
        images = len(np.unique(first.object_image[mine]))
        yield Slice("object size", None, low, high, images, int(mine.sum()), samples)


def class_slices(models: Models, units: NDArray[np.intp], *, draws: int = SLICE_DRAWS) -> Iterator[Slice]:
    """By class, in the order of the class indices; a false positive counts for the class that it names."""
    weights, first = _weights(units, draws), _first(models)
    of_models = {
        name: [_figures_by_class(judged, weights) for judged in seeds] for name, seeds in models.items()
    }
    for label, name in enumerate(first.classes):
        mine = ~first.object_crowd & (first.object_label == label)
        columns = {
            model: [{figure: values[:, label] for figure, values in one.items()} for one in seeds]
            for model, seeds in of_models.items()
        }
        images = len(np.unique(first.object_image[mine]))
        samples = _stacked(columns, _amount(units))
        yield Slice("class", name, None, None, images, int(mine.sum()), samples)


def ranges(values: Floats, amount: int) -> list[tuple[float, float]]:
    """At most so many ranges (both ends included) that hold about equally many of the finite values each.

    Equal values are never parted. Ends are values that occur.
    """
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        return []
    shares = np.arange(1, amount + 1) / amount
    ends = np.unique(np.quantile(known, shares, method="inverted_cdf"))
    starts = [known[0], *(known[np.searchsorted(known, end, side="right")] for end in ends[:-1])]
    return [(float(low), float(high)) for low, high in zip(starts, ends, strict=True)]


def _weights(units: NDArray[np.intp], draws: int) -> NDArray[np.int64]:
    """All images once, then the draws: (1 + draws, I)."""
    return np.concatenate([np.ones((1, len(units)), dtype=np.int64), image_weights(units, draws)])


def _first(models: Models) -> MatchTable:
    return next(iter(models.values()))[0].table


def _amount(units: NDArray[np.intp]) -> int:
    return len(np.unique(units))


def _figures(part: MatchTable, score_threshold: float, weights: NDArray[np.int64]) -> Figures:
    weighted = WeightedFigures(part, sizes=False)
    values = weighted.batch(weights)
    found = {name: values[:, weighted.names.index(name)] for name in APS}
    rates = Counts.of(part, score_threshold).rates(weights)
    return found | {name: values[:, 0] for name, values in rates.items()}


def _figures_by_class(judged: Judged, weights: NDArray[np.int64]) -> dict[str, Floats]:
    """Name -> (1 + draws, C)."""
    weighted = WeightedFigures(judged.table, sizes=False)
    values = weighted.batch(weights)
    found = {}
    for figure, key in (("AP", "AP"), ("AP50", "AP50"), ("AR_100", "AR")):
        places = [weighted.names.index(f"{key}/{name}") for name in judged.table.classes]
        found[figure] = values[:, places]
    return found | Counts.of(judged.table, judged.score_threshold, by_class=True).rates(weights)


def _samples(models: Models, figures: Callable[[Judged], Figures], units: int) -> dict[str, Sample]:
    return _stacked({name: [figures(one) for one in seeds] for name, seeds in models.items()}, units)


def _stacked(columns: Mapping[str, Sequence[Figures]], units: int) -> dict[str, Sample]:
    """Figures of all trainings as samples; without those that are not known."""
    trainings = [one for seeds in columns.values() for one in seeds]
    amounts = {name: len(seeds) for name, seeds in columns.items()}
    samples = {}
    for figure in trainings[0]:
        sample = Sample.of_table(amounts, np.stack([one[figure] for one in trainings], axis=1), units)
        if sample:
            samples[figure] = sample
    return samples
