import numpy as np
import pytest
from scipy import stats

from bench.statistics import Sample, image_weights


def test_the_variance_over_draws_is_that_of_a_fresh_sample():
    scores = np.random.default_rng(0).normal(0, 1, 40)
    draws = image_weights(np.arange(40), 20_000) @ scores[:, None] / 40
    sample = Sample.of(["a"], [[scores.mean()]], draws, 40)
    assert sample.over_images[0, 0] == pytest.approx(scores.var(ddof=1) / 40, rel=0.03)


def test_the_parts_are_taken_apart():
    # Two models of three and two seeds: what the seeds share, what the models share, and the interplay.
    shared = np.kron(np.array([[4.0, 1.0], [1.0, 3.0]]), np.ones((3, 3)))[:5, :5]
    covariance = shared + np.diag([2.0, 2.0, 2.0, 0.5, 0.5])
    values = (np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.5]))
    sample = Sample(("a", "b"), values, covariance, 50)
    assert sample.interplay == pytest.approx([2.0, 0.5])
    assert sample.over_images == pytest.approx(np.array([[4 + 2 / 3, 1.0], [1.0, 3 + 0.5 / 2]]))
    assert sample.between == pytest.approx([0.01, 0.0])
    assert sample.seed_variance == pytest.approx([0.0, 0.0])  # less than the interplay alone


def test_a_single_seed_has_no_spread_of_its_own():
    sample = Sample(("a",), (np.array([0.4]),), np.array([[0.01]]), 50)
    assert sample.between[0] == sample.interplay[0] == 0


def test_draws_without_an_object_are_left_out_for_all():
    draws = np.random.default_rng(0).normal(size=(100, 2))
    draws[7, 1] = np.nan
    sample = Sample.of(["a", "b"], [[0.1], [0.2]], draws, 1000)
    assert sample.covariance == pytest.approx(np.cov(np.delete(draws, 7, 0), rowvar=False) * 1000 / 999)
    draws[:60, 0] = np.nan
    assert Sample.of(["a", "b"], [[0.1], [0.2]], draws, 1000) is None
    assert Sample.of(["a"], [[0.1]], np.ones((100, 1)), 1) is None


def test_a_subset_keeps_the_trainings_of_its_models(of_means):
    whole = of_means((0.5, 0.4, 0.3), (3, 1, 2))
    part = whole.subset([2, 0])
    assert part.models == ("m2", "m0") and part.seeds.tolist() == [2, 3]
    assert part.over_images == pytest.approx(whole.over_images[np.ix_([2, 0], [2, 0])])
    assert part.interplay == pytest.approx(whole.interplay[[2, 0]])


def test_the_typical_spread_of_the_seeds_is_not_that_of_an_outlier():
    def spread(*variances, size=3):
        values = tuple(np.linspace(-1, 1, size) * np.sqrt(v) for v in variances)
        trainings = size * len(variances)
        return Sample(tuple("abcd"[: len(variances)]), values, np.zeros((trainings, trainings)), 9)

    typical, df = spread(1.0, 1.0, 100.0).typical_between
    assert typical == pytest.approx(2 / stats.chi2.median(2)) and df == 6
    assert spread(1.0, 1.0).typical_between is None
    chance = np.random.default_rng(0).normal(0, 1, (4000, 3, 3)).var(axis=2, ddof=1)
    found = [np.median(of_models) * 2 / stats.chi2.median(2) for of_models in chance]
    assert np.median(found) == pytest.approx(1, abs=0.05)
