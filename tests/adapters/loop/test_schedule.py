"""The learning rate over a training."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.adapters.loop.schedule import factor
from bench.recipe import Recipe


def _rates(steps: int, steps_in_epoch: int, **words: object) -> list[float]:
    recipe = Recipe.model_validate({"epochs": steps // steps_in_epoch, **words})
    return [factor(recipe, step, steps=steps, steps_in_epoch=steps_in_epoch) for step in range(steps)]


def test_constant_stays_at_the_peak() -> None:
    assert _rates(10, 5, schedule="constant") == [1.0] * 10


def test_warmup_rises_linearly_to_the_peak() -> None:
    rates = _rates(20, 5, schedule="constant", warmup_epochs=0.8)
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_step_divides_by_ten_at_each_share() -> None:
    rates = _rates(100, 10, schedule="step", step_at=(0.5, 0.8))
    assert rates[49] == 1.0
    assert rates[50] == pytest.approx(0.1)
    assert rates[79] == pytest.approx(0.1)
    assert rates[80] == pytest.approx(0.01)


def test_cosine_ends_at_its_share_in_the_last_step() -> None:
    rates = _rates(41, 1, schedule="cosine", final_lr_share=0.1)
    assert rates[0] == 1.0
    assert rates[20] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)


@given(
    schedule=st.sampled_from(["constant", "step", "cosine"]),
    epochs=st.integers(1, 30),
    steps_in_epoch=st.integers(1, 12),
    warmup=st.floats(0, 40),
)
def test_no_rate_is_beyond_the_peak_or_zero(
    schedule: str, epochs: int, steps_in_epoch: int, warmup: float
) -> None:
    rates = _rates(epochs * steps_in_epoch, steps_in_epoch, schedule=schedule, warmup_epochs=warmup)
    assert all(0 < rate <= 1 and math.isfinite(rate) for rate in rates)
