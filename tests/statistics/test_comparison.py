import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.statistics import NOMINAL, Comparison, Sample


def of_seeds(*seeds, units=1000, covariance=0.0):
    """Models by the values of their seeds; the images are no chance unless `covariance` says so."""
    trainings = sum(len(values) for values in seeds)
    names = tuple("abcdefgh"[: len(seeds)])
    return Sample(names, tuple(np.array(v) for v in seeds), covariance * np.eye(trainings), units)


def test_where_images_are_no_chance_it_is_welch_s_interval():
    one, other = [0.50, 0.53, 0.55], [0.41, 0.42, 0.48, 0.44]
    found = Comparison(of_seeds(one, other), confidence=0.95).difference("a", "b")
    theirs = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.covers_training


def test_one_seed_covers_the_images_alone():
    sample = of_seeds([0.5], [0.4], units=101, covariance=0.0002)
    found = Comparison(sample, confidence=0.95).difference("a", "b")
    half = stats.t.ppf(0.975, 100) * 0.02
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half))
    assert not found.covers_training


def test_best_is_ahead_of_every_rival_and_not_of_the_second_alone():
    found = Comparison(of_seeds([0.50, 0.51, 0.52], [0.45, 0.46, 0.47], [0.30, 0.40, 0.60]))
    assert found.order == ("a", "b", "c")
    assert found.difference("a", "b").ahead
    assert found.best is None and found.rivals == ("c",)
    assert found.rank("a") == (1, 2) and found.rank("b") == (2, 3) and found.rank("c") == (1, 3)
    assert found.groups == [("a", "c"), ("b", "c")]


def test_as_good_as_is_another_finding_than_can_t_be_told():
    close = Comparison(of_seeds([0.500, 0.501, 0.502], [0.499, 0.500, 0.501])).difference("a", "b")
    assert close.equivalent and not close.ahead
    open_ = Comparison(of_seeds([0.50, 0.55, 0.60], [0.49, 0.54, 0.59])).difference("a", "b")
    assert not open_.equivalent and not open_.ahead and open_.half_width > 0.05
    tiny = Comparison(of_seeds([0.5030, 0.5031, 0.5032], [0.500, 0.5001, 0.5002])).difference("a", "b")
    assert tiny.equivalent and tiny.ahead  # surely better, and by less than a point
    (three_points,) = Comparison(of_seeds([0.503] * 3, [0.5] * 3), margin=0.002).differences
    assert three_points.ahead and not three_points.equivalent


def test_more_models_make_wider_intervals():
    pair = Comparison(of_seeds([0.5, 0.52], [0.4, 0.42])).difference("a", "b")
    many = Comparison(of_seeds([0.5, 0.52], [0.4, 0.42], [0.3, 0.31], [0.2, 0.21])).difference("a", "b")
    each = stats.t.ppf(1 - (1 - NOMINAL ** (1 / 6)) / 2, many.df)
    assert many.half_width == pytest.approx(many.error * each) and many.half_width > pair.half_width


def test_seeds_that_are_close_by_accident_are_given_the_typical_spread():
    close, usual, other = [0.500, 0.5001], [0.480, 0.490], [0.300, 0.310]
    alone = Comparison(of_seeds(close, [0.490, 0.4901])).difference("a", "b")
    beside = Comparison(of_seeds(close, [0.490, 0.4901], usual, other)).difference("a", "b")
    assert alone.ahead and not beside.ahead
    variance = np.median([5e-9, 5e-9, 5e-5, 5e-5]) / stats.chi2.median(1)
    assert beside.error == pytest.approx(np.sqrt(variance)) and beside.df == pytest.approx(4)


def test_the_probability_of_being_best():
    even = Comparison(of_seeds([0.50, 0.52, 0.54], [0.50, 0.52, 0.54])).best_probability
    assert even["a"] == pytest.approx(0.5, abs=0.02) and sum(even.values()) == pytest.approx(1)
    clear = Comparison(of_seeds([0.70, 0.71, 0.72], [0.50, 0.51, 0.52])).best_probability
    assert clear["a"] > 0.99
    unsure = Comparison(of_seeds([0.51, 0.53, 0.55], [0.50, 0.52, 0.54])).best_probability
    assert 0.6 < unsure["a"] < 0.9  # two thirds of a standard error apart, known from three seeds
    # One standard error apart: Phi(1), where the images are the only chance.
    images = Comparison(of_seeds([0.52], [0.50], covariance=0.0002)).best_probability
    assert images["a"] == pytest.approx(stats.norm.cdf(1), abs=0.01)


FIGURES = st.floats(0, 1, width=32)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(FIGURES, min_size=1, max_size=4), min_size=2, max_size=5),
    st.floats(0, 0.05),
    st.floats(0, 0.02),
    st.integers(0, 99),
)
def test_claims_never_contradict_each_other(values, spread, shared, seed):
    trainings = sum(len(of_model) for of_model in values)
    draws = np.random.default_rng(seed).normal(0, spread, (60, trainings))
    draws += np.random.default_rng(seed).normal(0, shared, (60, 1))
    names = [f"m{index}" for index in range(len(values))]
    sample = Sample.of(names, values, draws, 60)
    found = Comparison(sample)
    first = found.order[0]
    assert (found.best is None) == bool(found.rivals)
    for one, other in itertools.permutations(names, 2):
        difference = found.difference(one, other)
        assert difference.low <= difference.estimate <= difference.high
        assert not (difference.ahead and difference.behind)
        assert difference.ahead == found.difference(other, one).behind
        assert difference.equivalent == found.difference(other, one).equivalent
        if difference.ahead:
            assert found.order.index(one) < found.order.index(other)
            assert not any({one, other} <= set(group) for group in found.groups)
        else:
            assert difference.behind or any({one, other} <= set(group) for group in found.groups)
    for place, name in enumerate(found.order, 1):
        low, high = found.rank(name)
        assert low <= place <= high
    assert found.rank(first)[0] == 1
    assert sum(found.best_probability.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("shared", "seed", "interplay"), [(0.3, 0.0, 0.1), (0.1, 0.03, 0.1), (0.1, 0.0, 0.5)]
)
def test_the_interval_holds_in_95_of_100_runs(of_means, shared, seed, interplay):
    held = 0
    for run in range(200):
        sample = of_means((0.5, 0.5), (3, 3), 40, shared, seed, interplay, rng=run, draws=100)
        difference = Comparison(sample, confidence=0.95).difference("m0", "m1")
        held += not difference.ahead and not difference.behind
    assert 0.91 <= held / 200 <= 0.985  # 1.8 standard errors below, 2.3 above
