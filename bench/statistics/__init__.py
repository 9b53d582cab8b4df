"""How sure: intervals that cover both the choice of test images and the chance of training.

    weights = image_weights(units_of(groups))                     # draws of images, the same for all models
    sample = Sample.of(models, values, figures_of(weights), units)  # the judge's figures on each draw
    found = Comparison(sample)                                    # differences, ranks, groups, probabilities
    estimate(sample, 0)                                           # one model with its interval
    plan(sample, 0, 1)                                            # what would separate the two

Knows nothing of detectors or files: figures come in as arrays. docs/statistics.md says what it is worth.
"""

from bench.statistics.comparison import CONFIDENCE, MARGIN, NOMINAL, Comparison, Difference, simultaneous
from bench.statistics.estimate import Estimate, estimate
from bench.statistics.planning import Plan, plan, resolution
from bench.statistics.resampling import DRAWS, image_weights, units_of
from bench.statistics.sample import Sample

__all__ = [
    "CONFIDENCE",
    "DRAWS",
    "MARGIN",
    "NOMINAL",
    "Comparison",
    "Difference",
    "Estimate",
    "Plan",
    "Sample",
    "estimate",
    "image_weights",
    "plan",
    "resolution",
    "simultaneous",
    "units_of",
]
