"""What benchmarks/coverage.py simulates: splits, models, seeds."""

import numpy as np

IMAGES = (30, 100, 300, 1000)
SEEDS = (1, 2, 3, 5, 10)
DRAWS = 200
"""Of the images, in every run: the standard error is then known to 5 %."""
BLOCK = 25
"""Runs that are saved together."""

STARTS = {
    # name: (seed luck of style A, noise of one training, affinity shared by the seeds)
    "alike": (0.0, 0.25, 0.6),
    "tuned": (0.013, 0.35, 0.7),
    "scratch": (0.040, 0.80, 0.5),
    "wild": (0.110, 0.80, 0.5),
}
"""Seeds that differ on the population by 0, 0.3, 0.9 and 3 points of AP (style B by more)."""

EQUAL, WORSE, BEHIND = 6, 6, 7
"""Models 0 to 5 are equal in truth, of two styles in turn; 6 is a point worse than they, 7 four points."""
ALL_SEEDS = (10, 10, 5, 5, 3, 3, 5, 3)
CELLS = np.cumsum((0, *ALL_SEEDS))
PAIRS = ((0, 1), (2, 3), (4, 5), (0, 6), (0, 7))
FAMILIES = (2, 3, 6)
