"""One small batch: which losses pass, and how long it may take."""

import math
from collections.abc import Iterable

import pytest

from bench.errors import RunError
from bench.gates import overfit
from bench.gates.gate import Flag, GateFailed, run_gate
from bench.recipe import Recipe
from bench.records import EpochRecord

RECIPE = Recipe(
    epochs=50, batch_size=16, image_size=320, flip=0.5, multi_scale=0.2, warmup_epochs=3, val_every=4
)


class GivenLosses:
    """A detector whose training reports the losses that it is given."""

    def __init__(self, losses: Iterable[float]) -> None:
        self.losses = list(losses)
        self.recipe = None

    def fit(self, layout, recipe, context):
        self.recipe, self.steps = recipe, 0
        for loss in self.losses[: recipe.epochs]:
            self.steps += 1
            record = EpochRecord(
                epoch=self.steps, epochs=recipe.epochs, train_losses={"a": loss / 2, "b": loss / 2},
                optimizer_steps=self.steps, images_seen=self.steps, duration_s=0.0,
            )  # fmt: skip
            if context.on_epoch(record):
                break


def tried(losses: Iterable[float], tmp_path, recipe: Recipe = RECIPE) -> tuple[GivenLosses, str]:
    detector = GivenLosses(losses)
    return detector, overfit.falling_loss(detector, None, recipe, tmp_path / "workdir", "cpu")


def test_it_ends_as_soon_as_the_loss_has_clearly_fallen(tmp_path):
    detector, answer = tried([10, 9.5, 8.9, 8.8, 1, 1], tmp_path)
    assert detector.steps == 4
    assert answer == "the loss falls from 10 to 8.8 in 4 steps on 4 images"


def test_one_lucky_step_is_not_enough(tmp_path):
    with pytest.raises(GateFailed, match="does not fall: from 10 to 10 in 40 steps"):
        tried([10, 5, *[10] * 60], tmp_path)


def test_a_rising_and_a_broken_loss_fail(tmp_path):
    with pytest.raises(GateFailed, match="does not fall"):
        tried([10 + step for step in range(50)], tmp_path / "up")
    with pytest.raises(GateFailed, match="no finite number"):
        tried([10, math.nan, math.nan] * 20, tmp_path / "nan")
    with pytest.raises(GateFailed, match="2 epochs were reported"):
        tried([10, 9], tmp_path / "short")


def test_on_a_slow_machine_a_small_fall_is_a_flag(tmp_path, monkeypatch):
    monkeypatch.setattr(overfit, "BUDGET_S", 0.0)
    detector, answer = tried([10, 9.9, 9.8, 9.7], tmp_path / "slow")
    assert detector.steps == 3
    assert isinstance(answer, Flag) and "falls little" in answer


def test_no_lack_of_time_makes_a_model_invalid(tmp_path, monkeypatch):
    """A loss may rise in its first steps: a busy machine must not end the gate there."""
    monkeypatch.setattr(overfit, "BUDGET_S", 0.0)
    detector, answer = tried([10, 10.1, 10.2, 9.9, 5, 5], tmp_path / "falls later")
    assert detector.steps == 4 and isinstance(answer, Flag)
    with pytest.raises(GateFailed, match="in 40 steps"):
        tried([10 + step for step in range(50)], tmp_path / "never")


def test_the_plan_is_kept_but_for_chance_and_length(tmp_path):
    detector, _ = tried([10, 1, 1], tmp_path)
    used = detector.recipe
    assert (used.flip, used.multi_scale, used.warmup_epochs, used.batch_size) == (0, 0, 0, 4)
    assert (used.image_size, used.lr, used.optimizer) == (RECIPE.image_size, RECIPE.lr, RECIPE.optimizer)
    assert overfit.images(Recipe(image_size=800)) == 2
    assert overfit.images(Recipe(batch_size=1, image_size=320)) == 1


def test_what_trains_nothing_is_not_tried(tmp_path):
    detector, answer = tried([], tmp_path, Recipe(epochs=0))
    assert detector.recipe is None
    assert isinstance(answer, Flag)


def test_what_breaks_in_the_adapter_fails_and_what_the_user_can_mend_is_raised():
    def diverges() -> str:
        raise RunError("the training diverged")

    def full() -> str:
        raise RuntimeError("CUDA out of memory")

    result = run_gate("overfit", diverges)
    assert not result.passed and "RunError: the training diverged" in result.detail
    with pytest.raises(RuntimeError):
        run_gate("overfit", full)
    assert run_gate("x", lambda: Flag("hm")).flagged
