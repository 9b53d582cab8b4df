"""The training loop, on a network that trains in milliseconds (conftest.py)."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RunError
from bench.layout import Layout
from bench.records import EpochRecord

pytestmark = pytest.mark.slow

TRAIN_IMAGES = 14
STEPS_IN_EPOCH = 4


def test_it_learns_and_tells_every_epoch(data: Layout, tmp_path: Path, train: Any) -> None:
    steps: list[tuple[int, int]] = []
    epochs: list[EpochRecord] = []
    record, _ = train(
        data,
        tmp_path / "a",
        on_epoch=lambda epoch: bool(epochs.append(epoch)),
        on_step=lambda *step: steps.append(step),
    )
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4]
    assert steps == [(n, STEPS_IN_EPOCH) for n in (1, 2, 3, 4)] * 4
    assert epochs[-1].train_losses["class"] < epochs[0].train_losses["class"]
    assert set(epochs[0].val_losses) == {"box", "class"}
    assert epochs[-1].images_seen == record.images_seen == 4 * TRAIN_IMAGES
    assert epochs[-1].optimizer_steps == record.optimizer_steps == 16
    rates = epochs[-1].learning_rates
    assert rates["rest"] == pytest.approx(0.01 * 0.01)
    assert rates["backbone"] == pytest.approx(0.005 * 0.01)
    assert record.duration_s == pytest.approx(sum(epoch.duration_s for epoch in epochs))


def test_the_best_epoch_on_val_is_kept(data: Layout, tmp_path: Path, train: Any, toy: Any, same: Any) -> None:
    after: list[dict[str, Any]] = []
    model = toy()

    def copy(epoch: EpochRecord) -> bool:
        after.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return False

    record, weights = train(data, tmp_path / "a", model=model, scores=(0.1, 0.3, 0.3, 0.2), on_epoch=copy)
    assert record.best_epoch == 2
    assert same(weights, after[1])
    assert not same(weights, after[3])
    assert [path.name for path in (tmp_path / "a").glob("best-*")] == ["best-2.safetensors"]


@pytest.mark.parametrize(
    "amount", [(2, None), (3, 2), (1, 4)], ids=["after epoch 2", "in 3", "at the end of 1"]
)
def test_a_killed_training_goes_on_to_the_same_bits(
    data: Layout,
    tmp_path: Path,
    amount: tuple[int, int | None],
    train: Any,
    toy: Any,
    history: Any,
    same: Any,
) -> None:
    """Killed when the epoch is told, or in a step of it."""
    whole_history, whole = history(data, tmp_path / "whole")
    last, step = amount
    told: list[EpochRecord] = []
    begun = 0

    class Killed(BaseException):
        pass

    def on_epoch(epoch: EpochRecord) -> bool:
        told.append(epoch)
        if step is None and epoch.epoch == last:
            raise Killed
        return False

    def on_step(done: int, total: int) -> None:
        nonlocal begun
        begun += done == 1
        if begun == last and done == step:
            raise Killed

    with pytest.raises(Killed):
        train(data, tmp_path / "killed", on_epoch=on_epoch, on_step=on_step)
    history, resumed = history(data, tmp_path / "killed", model=toy(seed=99 if told else 0))
    assert same(whole, resumed)
    assert history == whole_history[-len(history) :]
    assert len(history) == 4 - len(told) + bool(told)  # the last told epoch is told again


def test_a_real_kill_goes_on_to_the_same_bits(
    data: Layout, tmp_path: Path, train: Any, same: Any, toys_file: str
) -> None:
    """SIGKILL in another process, in the middle of the third epoch."""
    _, whole = train(data, tmp_path / "whole")
    done = subprocess.run(
        [sys.executable, toys_file, str(data.root), str(tmp_path / "killed"), "10"], check=False
    )
    assert done.returncode == -signal.SIGKILL
    record, resumed = train(data, tmp_path / "killed")
    assert record.epochs == 4
    assert same(whole, resumed)


def test_a_finished_training_is_not_repeated(
    data: Layout, tmp_path: Path, train: Any, toy: Any, same: Any
) -> None:
    first, weights = train(data, tmp_path / "a")
    steps: list[int] = []
    again, after = train(data, tmp_path / "a", model=toy(5), on_step=lambda done, total: steps.append(done))
    assert (again, steps) == (first, [])
    assert same(weights, after)


def test_it_stops_when_told_and_stays_stopped(data: Layout, tmp_path: Path, train: Any) -> None:
    record, _ = train(data, tmp_path / "a", on_epoch=lambda epoch: epoch.epoch == 2)
    assert (record.epochs, record.stopped_early, record.best_epoch) == (2, True, 2)
    again, _ = train(data, tmp_path / "a")
    assert again == record


def test_another_recipe_is_not_taken_for_thesame(data: Layout, tmp_path: Path, train: Any) -> None:
    train(data, tmp_path / "a")
    with pytest.raises(RunError, match=r"other terms: recipe\.lr was 0\.01, now 0\.02\n"):
        train(data, tmp_path / "a", lr=0.02)


def test_worker_processes_change_nothing(data: Layout, tmp_path: Path, train: Any, same: Any) -> None:
    _, alone = train(data, tmp_path / "alone", epochs=2)
    _, helped = train(data, tmp_path / "helped", epochs=2, workers=2)
    assert same(alone, helped)


def test_validation_leaves_no_trace_in_the_training(data: Layout, tmp_path: Path, history: Any) -> None:
    """Neither in batch norm's statistics nor in the random numbers."""
    often, _ = history(data, tmp_path / "often")
    seldom, _ = history(data, tmp_path / "seldom", val_every=4)
    assert [epoch.train_losses for epoch in often] == [epoch.train_losses for epoch in seldom]
    assert [bool(epoch.val_metrics) for epoch in seldom] == [False, False, False, True]


def test_a_backbone_without_a_rate_stays_as_it_is(
    data: Layout, tmp_path: Path, train: Any, toy: Any, same: Any
) -> None:
    before = {name: tensor.clone() for name, tensor in toy().state_dict().items()}
    _, after = train(data, tmp_path / "a", backbone_lr=0.0)
    changed = {name for name in before if not same({name: before[name]}, {name: after[name]})}
    assert changed == {"head.weight", "head.bias"}


def test_clipping_bounds_the_step(data: Layout, tmp_path: Path, train: Any, toy: Any) -> None:
    import torch

    before = toy().state_dict()
    settings = {
        "optimizer": "sgd",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "warmup_epochs": 0.0,
        "schedule": "constant",
        "lr": 1.0,
        "backbone_lr": 1.0,
        "batch_size": TRAIN_IMAGES,
        "epochs": 1,
    }
    for norm, below in ((1e-3, True), (0.0, False)):
        _, after = train(data, tmp_path / str(norm), **settings, clip_norm=norm)
        moved = torch.cat(
            [
                (after[name] - before[name]).flatten()
                for name in before
                if "running" not in name and "num" not in name
            ]
        )
        assert (float(moved.norm()) < 1.01e-3) == below


def test_loss_weights_and_rates_count(data: Layout, tmp_path: Path, train: Any, toy: Any, same: Any) -> None:
    model = toy()
    model.loss_weights = {"box": 0.0, "class": 0.0}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _, after = train(data, tmp_path / "a", model=model, weight_decay=0.0)
    assert same({"w": before["head.weight"]}, {"w": after["head.weight"]})


def test_a_loss_that_is_no_number_is_told(data: Layout, tmp_path: Path, train: Any) -> None:
    with pytest.raises(RunError, match="diverged"):
        train(data, tmp_path / "a", lr=1e30, backbone_lr=1e30, clip_norm=0.0, warmup_epochs=0.0)


def test_no_epochs_train_nothing(data: Layout, tmp_path: Path, train: Any, toy: Any, same: Any) -> None:
    record, weights = train(data, tmp_path / "a", epochs=0)
    assert (record.epochs, record.best_epoch, record.stopped_early) == (0, 0, False)
    assert record.chosen_by.startswith("nothing was trained")
    assert same(weights, dict(toy().state_dict()))


def test_the_process_is_left_as_it_was(data: Layout, tmp_path: Path, train: Any) -> None:
    import torch

    state = torch.get_rng_state()
    threads = torch.get_num_threads()
    train(data, tmp_path / "a", epochs=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
