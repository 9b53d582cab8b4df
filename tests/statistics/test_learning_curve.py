"""What twice the images would bring, for curves whose answer is known."""

import numpy as np
import pytest

from bench.statistics.learning_curve import doubling, gains

SIZES = (100, 250, 500, 1000)
X = np.array(SIZES) / 1000


@pytest.mark.parametrize("exponent", [0.2, 0.5, 1.0])
def test_a_power_law_is_continued(exponent: float) -> None:
    figures = 0.6 - 0.1 * X**-exponent
    assert gains(X, figures[None])[0] == pytest.approx(0.1 * (1 - 2**-exponent), abs=1e-3)


def test_a_line_over_the_logarithm_is_continued_and_a_flat_curve_stays_flat() -> None:
    assert gains(X, 0.3 + 0.05 * np.log2(X)[None])[0] == pytest.approx(0.05, abs=1e-6)
    assert gains(X, np.full((1, 4), 0.3))[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("seeds", [2, 4])
def test_intervals_hold_as_often_as_they_say(seeds: int) -> None:
    """200 simulated learning curves with luck of images and seeds; the 95 % interval may miss 1 in 10."""
    dice = np.random.default_rng(seeds)
    true = 0.5 - 0.2 * X**-0.3
    gain = 0.2 * (1 - 2**-0.3)
    held = 0
    for _ in range(200):
        images = dice.normal(0, 0.02) * true / 0.5 + dice.normal(0, 0.006, 4)
        values = [(true[k] + images[k] + dice.normal(0, 0.01, seeds)).tolist() for k in range(4)]
        drawn = dice.normal(0, 0.02, (200, 1)) * true / 0.5 + dice.normal(0, 0.006, (200, 4))
        found = doubling(SIZES, values, np.repeat(drawn, seeds, axis=1) + np.concatenate(values), 200)
        assert found is not None and found.covers_training
        held += found.low <= gain <= found.high
    assert 180 <= held <= 199


def test_what_too_little_is_known_of_is_none() -> None:
    draws = np.full((50, 4), 0.3)
    assert doubling(SIZES[:2], [[0.2], [0.3]], draws[:, :2], 40) is None
    assert doubling(SIZES, [[0.2]] * 4, draws, 1) is None
    found = doubling(SIZES, [[0.2]] * 4, draws, 40)
    assert found is not None and not found.covers_training
