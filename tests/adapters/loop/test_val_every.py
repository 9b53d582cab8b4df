"""Validations that steps count, in the middle of an epoch; 4 steps make one (conftest.py)."""

from pathlib import Path
from typing import Any

import pytest

from bench.layout import Layout
from bench.records import EpochRecord

pytestmark = pytest.mark.slow

EVERY: dict[str, Any] = {"val_every": {"steps": 3}, "scores": (0.1, 0.2, 0.3, 0.4, 0.5)}


def test_they_come_where_the_steps_say_and_change_nothing(
    data: Layout, tmp_path: Path, history: Any, same: Any
) -> None:
    often, weights = history(data, tmp_path / "often", ema=0.9, **EVERY)
    seldom, others = history(data, tmp_path / "seldom", ema=0.9, val_every=4)
    assert [(record.optimizer_steps, record.share) for record in often if record.val_metrics] == [
        (3, 0.75), (6, 0.5), (9, 0.25), (12, 1.0), (15, 0.75), (16, 1.0)
    ]  # fmt: skip
    whole = [record for record in often if record.share == 1]
    assert [record.train_losses for record in whole] == [record.train_losses for record in seldom]
    assert [record.images_seen for record in often][:3] == [12, 14, 22]
    assert same(weights, others)


def test_the_best_may_be_in_the_middle(data: Layout, tmp_path: Path, train: Any, toy: Any, same: Any) -> None:
    model = toy()
    after: dict[int, dict[str, Any]] = {}

    def copy(record: EpochRecord) -> bool:
        after[record.optimizer_steps] = {name: one.clone() for name, one in model.state_dict().items()}
        return False

    scores = (0.1, 0.9, 0.3, 0.4, 0.2)  # the second comes at step 6, in epoch 2
    record, weights = train(data, tmp_path / "a", model=model, on_epoch=copy, **{**EVERY, "scores": scores})
    assert (record.best_epoch, record.best_step) == (2, 6)
    assert same(weights, after[6]) and not same(weights, after[8])


def test_a_killed_training_repeats_them(
    data: Layout, tmp_path: Path, history: Any, train: Any, same: Any
) -> None:
    class Killed(BaseException):
        pass

    steps = 0

    def on_step(done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        if steps == 10:  # after the validation at step 9
            raise Killed

    whole, weights = history(data, tmp_path / "whole", **EVERY)
    with pytest.raises(Killed):
        train(data, tmp_path / "killed", on_step=on_step, **EVERY)
    again, resumed = history(data, tmp_path / "killed", **EVERY)
    assert again == [record for record in whole if record.optimizer_steps >= 8]  # epoch 2 is told again
    assert same(weights, resumed)


def test_one_in_the_middle_may_end_the_training(data: Layout, tmp_path: Path, train: Any) -> None:
    def stop(record: EpochRecord) -> bool:
        return record.optimizer_steps == 6

    record, _ = train(data, tmp_path / "a", on_epoch=stop, **EVERY)
    assert (record.epochs, record.optimizer_steps, record.stopped_early) == (2, 6, True)
    assert (record.images_seen, record.best_step) == (22, 6)
    again, _ = train(data, tmp_path / "a", **EVERY)
    assert again == record
