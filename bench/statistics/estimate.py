"""One model's figure with its interval over test images and seeds."""

import math
from dataclasses import dataclass

from scipy.special import stdtrit

from bench.statistics.comparison import NOMINAL, combine
from bench.statistics.sample import Sample


@dataclass(frozen=True)
class Estimate:
    """The mean over seeds of one model's figure."""

    value: float
    error: float
    """Standard error."""
    low: float
    high: float
    covers_training: bool
    """Whether the interval covers another training of the same model; one seed shows nothing of that."""


def estimate(sample: Sample, model: int, confidence: float = NOMINAL) -> Estimate:
    """Of the model at this place of `sample`.

    The parts of the variance are those of a difference (bench.statistics.sample), of one model alone. A share
    may get an interval that ends below 0 or above 1: Student's t does not know about bounds.
    """
    size = int(sample.seeds[model])
    over_images = float(sample.over_images[model, model])
    parts = [(max(over_images - float(sample.interplay[model]) / size, 0.0), sample.units - 1)]
    if size > 1:
        parts.append((float(sample.between[model]) / size, size - 1))
    error, df = combine(parts)
    half = error * float(stdtrit(df, 1 - (1 - confidence) / 2))
    value = float(sample.means[model])
    assert math.isfinite(half), "two units and a seed are known"
    return Estimate(value, error, value - half, value + half, size > 1)
