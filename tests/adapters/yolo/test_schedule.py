import pytest

from bench.adapters.training.budget import Elapsed
from bench.adapters.yolo.family import FAMILY
from bench.adapters.yolo.schedule import UNLIMITED_EPOCHS, StepSchedule, schedules_steps
from bench.recipe import Budget, Recipe, Stage


def paced(images: int = 24, **settings: object) -> StepSchedule:
    recipe = Recipe.model_validate({"batch_size": 8, "lr": 0.1, "warmup_epochs": 0, **settings})
    plan = FAMILY.plan(variant="tiny", weights="none", options={}, recipe=recipe)
    return StepSchedule(plan.recipe, images)


@pytest.mark.parametrize("schedule", ["constant", "step", "linear", "cosine"])
def test_ultralytics_sets_the_pace_of_whole_epochs(schedule: str) -> None:
    assert not schedules_steps(Recipe.model_validate({"schedule": schedule}))


@pytest.mark.parametrize(
    "settings",
    [{"schedule": "cosine_restarts"}, {"budget": Budget(steps=3)}, {"stages": (Stage(epochs=2),)}],
)
def test_we_set_the_pace_of_everything_else(settings: dict[str, object]) -> None:
    assert schedules_steps(Recipe.model_validate(settings))


def test_a_part_of_an_epoch_counts_as_one() -> None:
    assert paced(budget={"steps": 7}).epochs(Elapsed()) == 3
    assert paced(budget={"steps": 6}).epochs(Elapsed()) == 2
    assert paced(budget={"images": 25}).epochs(Elapsed()) == 2
    assert paced(budget={"steps": 7}, accumulate=2).epochs(Elapsed()) == 4


def test_a_clock_s_end_is_guessed_from_what_is_over() -> None:
    pace = paced(budget={"seconds": 10})
    assert pace.epochs(Elapsed()) == UNLIMITED_EPOCHS
    assert pace.epochs(Elapsed(epochs=2, steps=6, images=48, seconds=4)) == 5


def test_rates_of_a_budget_run_over_all_of_it() -> None:
    pace = paced(budget={"steps": 7}, schedule="linear", final_lr_share=0.4)
    factors = [pace.rate(step // 3, Elapsed(steps=step)).factor for step in range(7)]
    assert factors == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    clock = paced(budget={"seconds": 10}, schedule="linear", final_lr_share=0.4)
    assert clock.rate(0, Elapsed(steps=1, seconds=5)).factor == pytest.approx(0.7)


def test_restarts_begin_at_the_peak() -> None:
    pace = paced(epochs=6, schedule="cosine_restarts", restarts=2, final_lr_share=0)
    factors = [pace.rate(step // 3, Elapsed(steps=step)).factor for step in range(18)]
    tops = [step for step in range(1, 18) if factors[step] > factors[step - 1]]
    assert tops == [9]
    assert factors[9] > 0.98
    assert factors[17] == pytest.approx(0)


def test_a_stage_has_rates_and_a_schedule_of_its_own() -> None:
    pace = paced(
        stages=[
            {"epochs": 2, "lr": 0.01, "freeze": ["all_but_head"], "schedule": "constant"},
            {"epochs": 1, "lr": 0.002, "backbone_lr": 0.001, "schedule": "linear", "warmup_epochs": 2 / 3},
        ],
        warmup_epochs=1,
    )
    first, last, second = (pace.rate(epoch, Elapsed(steps=step)) for epoch, step in ((0, 0), (1, 5), (2, 6)))
    assert (first.lr, first.backbone_lr) == (0.01, 0.01)
    assert (first.factor, first.warmup) == pytest.approx((1 / 3, 1 / 3))
    assert (last.factor, last.warmup) == (1.0, 1.0)
    assert (second.lr, second.backbone_lr) == (0.002, 0.001)
    assert (second.factor, second.warmup) == (
        0.5,
        1.0,
    )  # only the first warm-up moves biases and momentum
