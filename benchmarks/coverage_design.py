"""What benchmarks/coverage.py simulates: splits, models, seeds."""

from dataclasses import dataclass

import numpy as np

SEEDS = (1, 2, 3, 5)
DRAWS = 200
"""Of the images, in every run: the standard error is then known to 5 %."""
BLOCK = 25
"""Runs that are saved together."""
POPULATIONS = 6
"""Of 100,000 images each, over which the true AP is averaged."""

STARTS = {
    # name: (seed luck of style A, noise of one training, affinity shared by the seeds)
    "alike": (0.0, 0.25, 0.6),
    "tuned": (0.013, 0.35, 0.7),
    "scratch": (0.040, 0.80, 0.5),
    "wild": (0.110, 0.80, 0.5),
}
"""Seeds that differ on the population by 0, 0.3, 0.9 and 3 points of AP (style B by more)."""


@dataclass(frozen=True)
class Split:
    """A kind of test split."""

    images: int
    copies: int = 1
    """Images of one source."""
    every: int = 1
    """Simulated in every so many blocks: the larger splits take longer."""

    @property
    def name(self) -> str:
        return f"{self.images}x{self.copies}"


SPLITS = (Split(30, every=2), Split(100), Split(300), Split(1000, every=5), Split(300, copies=3, every=4))
IMAGES = (30, 100, 300, 1000)

PAIR_RUNS = {(100, 3): 1500, (300, 3): 800, (100, 5): 400, (1000, 3): 100}
"""(images, seeds) -> runs of two equal models alone, which are cheap: many tell 93 % from 95."""
PAIR_BLOCK = 100

EQUAL, WORSE, BEHIND = 6, 6, 7
"""Models 0 to 5 are equal in truth, of two styles in turn; 6 is a point worse than they, 7 four points."""
ALL_SEEDS = (5, 5, 3, 3, 3, 3, 3, 3)
CELLS = np.cumsum((0, *ALL_SEEDS))
EQUAL_PAIRS = ((0, 1), (2, 3), (4, 5))
PAIRS = (*EQUAL_PAIRS, (0, 6), (0, 7))
FAMILIES = (2, 3, 6)
