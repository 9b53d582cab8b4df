"""The interval of one model's mean."""

import numpy as np
import pytest
from scipy import stats

from bench.statistics import Sample, estimate


def test_one_seed_leaves_the_images_alone() -> None:
    sample = Sample(("a",), (np.array([0.4]),), np.array([[0.01]]), 101)
    found = estimate(sample, 0)
    assert (found.value, found.error, found.covers_training) == (0.4, pytest.approx(0.1), False)
    assert found.high - found.value == pytest.approx(0.1 * stats.t.ppf(0.985, 100))


def test_images_and_seeds_add_up_and_the_interplay_counts_once() -> None:
    """Seeds .3 and .5: variance .02, of their mean .01. Images: .004, with .001 of the interplay in it."""
    sample = Sample(("a",), (np.array([0.3, 0.5]),), np.array([[0.005, 0.003], [0.003, 0.005]]), 1001)
    assert estimate(sample, 0).error == pytest.approx((0.004 - 0.001 + 0.01) ** 0.5)


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_the_interval_holds_the_true_mean(of_means, seeds) -> None:  # type: ignore[no-untyped-def]
    """With one seed that of these weights would be held, so the seed has no luck there."""
    luck = 0.03 if seeds > 1 else 0.0
    held = 0
    for run in range(300):
        found = estimate(of_means((0.5,), (seeds,), seed=luck, rng=run), 0, confidence=0.95)
        held += found.low <= 0.5 <= found.high
    assert 0.91 <= held / 300 <= 0.98
