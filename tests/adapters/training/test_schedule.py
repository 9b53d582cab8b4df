"""The learning rate over a training."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.adapters.training.budget import Elapsed, Length
from bench.adapters.training.schedule import Position, lr_factor, position
from bench.adapters.training.stages import of_epoch, resolved_stages
from bench.recipe import Recipe

SCHEDULES = ["constant", "step", "linear", "cosine", "cosine_restarts"]


def _rates(steps: int, steps_per_epoch: int, **settings: object) -> list[float]:
    recipe = Recipe.model_validate({"epochs": steps // steps_per_epoch, **settings})
    warmup = round((recipe.warmup_epochs or 0) * steps_per_epoch)
    return [lr_factor(recipe, Position.by_steps(step, steps=steps, warmup=warmup)) for step in range(steps)]


def test_constant_stays_at_the_peak() -> None:
    assert _rates(10, 5, schedule="constant") == [1.0] * 10


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warmup_rises_linearly_to_the_peak(schedule: str) -> None:
    rates = _rates(20, 5, schedule=schedule, warmup_epochs=0.8, restarts=2)
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_step_divides_by_ten_at_each_share() -> None:
    rates = _rates(100, 10, schedule="step", step_at=(0.5, 0.8))
    assert rates[49] == 1.0
    assert rates[50] == pytest.approx(0.1)
    assert rates[79] == pytest.approx(0.1)
    assert rates[80] == pytest.approx(0.01)


def test_linear_falls_evenly_to_its_share_in_the_last_step() -> None:
    rates = _rates(5, 1, schedule="linear", final_lr_share=0.2)
    assert rates == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


def test_cosine_ends_at_its_share_in_the_last_step() -> None:
    rates = _rates(41, 1, schedule="cosine", final_lr_share=0.1)
    assert rates[0] == 1.0
    assert rates[20] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)


def test_cosine_restarts_begins_each_equal_cycle_at_the_peak() -> None:
    rates = _rates(31, 1, schedule="cosine_restarts", restarts=3, final_lr_share=0.1)
    assert [step for step, rate in enumerate(rates) if rate == 1.0] == [0, 10, 20]
    assert rates[5] == pytest.approx(0.55) == rates[15] == rates[25]
    assert rates[-1] == pytest.approx(0.1)
    assert all(one > other for one, other in itertools.pairwise(rates) if other != 1.0)


@given(
    schedule=st.sampled_from(SCHEDULES),
    epochs=st.integers(1, 30),
    steps_per_epoch=st.integers(1, 12),
    warmup=st.floats(0, 40),
)
def test_no_rate_is_beyond_the_peak_or_zero(
    schedule: str, epochs: int, steps_per_epoch: int, warmup: float
) -> None:
    rates = _rates(epochs * steps_per_epoch, steps_per_epoch, schedule=schedule, warmup_epochs=warmup)
    assert all(0 < rate <= 1 + 1e-12 and math.isfinite(rate) for rate in rates)


def test_seconds_decay_with_the_share_of_the_time_that_is_over() -> None:
    recipe = Recipe.model_validate(
        {"budget": {"seconds": 10.0}, "schedule": "linear", "final_lr_share": 0.0, "warmup_epochs": 1.0}
    )
    length = Length.of(recipe, images=32)  # 2 steps in an epoch
    stage = resolved_stages(recipe)[0]
    shares = [
        lr_factor(recipe, position(stage, length, Elapsed(0, steps, 0, seconds)))
        for steps, seconds in ((0, 0.0), (1, 2.5), (2, 5.0), (9, 10.5))
    ]
    assert shares == pytest.approx([0.5, 0.75, 0.5, 0.0])


def test_a_stage_has_a_schedule_of_its_own() -> None:
    recipe = Recipe.model_validate(
        {
            "stages": [{"epochs": 2}, {"epochs": 3, "schedule": "linear", "warmup_epochs": 1}],
            "schedule": "constant",
            "warmup_epochs": 0.0,
            "lr": 1.0,
            "final_lr_share": 0.0,
            "batch_size": 4,
        }
    )
    length = Length.of(recipe, images=8)
    row = resolved_stages(recipe)
    rates = [
        lr_factor(stage.recipe, position(stage, length, Elapsed(step // 2, step, 4 * step, 0.0)))
        for step in range(10)
        for stage in [of_epoch(row, step // 2 + 1)]
    ]
    assert rates == pytest.approx([1.0] * 4 + [0.5, 1.0] + [1.0, 2 / 3, 1 / 3, 0.0])
