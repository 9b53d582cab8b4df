import numpy as np
import pytest
from scipy import stats

from bench.statistics import Comparison, Sample, plan, resolution


def of_parts(difference, shared, seed, interplay, seeds=3, units=100):
    """Two models whose variances are known exactly; `shared` is of one model's luck with the images."""
    half = np.linspace(-1, 1, seeds)
    values = half / half.std(ddof=1) * np.sqrt(seed + interplay)
    covariance = np.kron(np.eye(2), np.full((seeds, seeds), shared)) + interplay * np.eye(2 * seeds)
    return Sample(("a", "b"), (values + difference, values), covariance, units)


def test_what_more_seeds_would_tell():
    sample = of_parts(0.02, shared=1e-6, seed=2e-4, interplay=1e-5)
    assert not Comparison(sample).difference("a", "b").ahead
    seeds = plan(sample, 0, 1).seeds

    def found(size):  # the t-test of 2 x size seeds beside known images, by the book
        variance, spread = 2 * (2e-4 + 1e-5) / size, 2e-6
        df = (variance + spread) ** 2 / (variance**2 / (2 * (size - 1)) + spread**2 / 99)
        return np.sqrt(variance + spread) * (stats.t.ppf(0.985, df) + stats.norm.ppf(0.8)) <= 0.02

    assert found(seeds) and not found(seeds - 1)


def test_no_number_of_seeds_where_the_images_decide():
    sample = of_parts(0.012, shared=2e-4, seed=1e-5, interplay=1e-5)
    found = plan(sample, 0, 1)
    assert found.seeds is None
    assert found.units > 100
    assert found.least == pytest.approx(stats.t.ppf(0.985, 99) * np.sqrt(4e-4))
    assert found.least == resolution(sample, 0, 1) > found.difference


def test_no_number_of_images_where_the_seeds_decide():
    found = plan(of_parts(0.005, shared=1e-6, seed=4e-4, interplay=1e-6), 0, 1)
    assert found.units is None and found.seeds is None


def test_a_larger_split_as_planned_would_do():
    wanted = plan(of_parts(0.02, shared=1e-4, seed=1e-6, interplay=1e-6), 0, 1).units
    times = wanted / 100
    larger = of_parts(0.02, 1e-4 / times, 1e-6, 1e-6 / times, units=wanted)
    difference = Comparison(larger).difference("a", "b")
    assert difference.ahead
    assert difference.half_width + stats.norm.ppf(0.8) * difference.error - 1e-4 <= 0.02


def test_single_seeds_say_nothing_of_more_seeds():
    sample = Sample(("a", "b"), (np.array([0.5]), np.array([0.49])), 1e-4 * np.eye(2), 100)
    assert plan(sample, 0, 1).seeds is None
