"""The training loop, on a network that trains in milliseconds. As a script, this file trains and is killed.

torch is imported where it is needed: collecting the fast tests must not pay for it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.detector import Detections, FitContext
from bench.errors import RunError
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord

if TYPE_CHECKING:
    from bench.adapters.loop.trainable import Trainable

pytestmark = pytest.mark.slow

WORDS: dict[str, Any] = {
    "epochs": 4,
    "batch_size": 4,
    "image_size": 32,
    "optimizer": "adamw",
    "lr": 0.01,
    "backbone_lr": 0.005,
    "weight_decay": 1e-4,
    "schedule": "cosine",
    "warmup_epochs": 0.5,
    "clip_norm": 1.0,
    "multi_scale": 0.25,
}
TRAIN_PICTURES = 14
STEPS_IN_EPOCH = 4


def toy(seed: int = 0) -> "Trainable":
    """One box and one class a picture; with batch norm and dropout, which are what makes resuming hard."""
    import torch
    from torch import Tensor, nn

    from bench.adapters.loop.trainable import Batch, Found, Trainable

    class Toy(Trainable):
        loss_weights = {"box": 2.0}  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU())
            self.dropout = nn.Dropout(0.2)
            self.head = nn.Linear(4, 4 + 5)

        @property
        def backbone(self) -> nn.Module:
            return self.body

        def _out(self, batch: Batch) -> Tensor:
            out: Tensor = self.head(self.dropout(self.body(batch.pixels.float() / 255).mean((2, 3))))
            return out

        def forward(self, batch: Batch) -> dict[str, Tensor]:
            out = self._out(batch)
            some = [i for i, target in enumerate(batch.targets) if len(target.labels)]
            boxes = torch.stack([batch.targets[i].boxes_xyxy[0] / 32 for i in some])
            labels = torch.stack([batch.targets[i].labels[0] for i in some])
            return {
                "box": nn.functional.l1_loss(out[some, :4], boxes),
                "class": nn.functional.cross_entropy(out[some, 4:], labels),
            }

        def detect(self, batch: Batch) -> list[Found]:
            out = self._out(batch)
            scores, labels = out[:, 4:].softmax(1).max(1)
            return [
                Found(box[None] * 32, score[None], label[None])
                for box, score, label in zip(out[:, :4], scores, labels, strict=True)
            ]

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Toy()


def layout(folder: Path) -> Layout:
    config = DataConfig(source="synthetic", synthetic=SyntheticConfig(pictures=20, size=32, seed=1))
    return prepare(config, folder)


def train(
    data: Layout,
    workdir: Path,
    *,
    model: "Trainable | None" = None,
    scores: Sequence[float] = (0.1, 0.2, 0.3, 0.4),
    on_epoch: Callable[[EpochRecord], bool] = lambda epoch: False,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    **words: Any,
) -> "tuple[TrainingRecord, dict[str, Any]]":
    """Train a toy; the judge's verdict on epoch e is scores[e - 1]. The record, and the final weights."""
    from bench.adapters.loop import training as loop

    workdir.mkdir(exist_ok=True)
    recipe = Recipe.model_validate({**WORDS, **words})
    heard: list[int] = []

    def hear(epoch: EpochRecord) -> bool:
        heard.append(epoch.epoch)
        return on_epoch(epoch)

    def score(found: Sequence[Detections]) -> dict[str, float]:
        assert len(found) == len(data.examples("val"))
        epoch = heard[-1] + 1 if heard else 1  # a resumed training hears of its last epoch again
        return {"AP": scores[epoch - 1], "AP50": 0.5}

    model = model or toy()
    record = loop.fit(
        model,
        data,
        recipe,
        FitContext(workdir, seed=3, device="cpu", score_val=score, on_epoch=hear, on_step=on_step),
    )
    return record, dict(model.state_dict())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    made = layout(tmp_path_factory.mktemp("data"))
    assert len(made.examples("train")) == TRAIN_PICTURES
    return made


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _history(data: Layout, workdir: Path, **words: Any) -> tuple[list[EpochRecord], dict[str, Any]]:
    epochs: list[EpochRecord] = []
    _, weights = train(data, workdir, on_epoch=lambda epoch: bool(epochs.append(epoch)), **words)
    return [epoch.model_copy(update={"duration_s": 0.0}) for epoch in epochs], weights


def test_it_learns_and_tells_every_epoch(data: Layout, tmp_path: Path) -> None:
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
    assert epochs[-1].pictures_seen == record.pictures_seen == 4 * TRAIN_PICTURES
    assert epochs[-1].optimizer_steps == record.optimizer_steps == 16
    rates = epochs[-1].learning_rates
    assert rates["rest"] == pytest.approx(0.01 * 0.01)
    assert rates["backbone"] == pytest.approx(0.005 * 0.01)
    assert record.duration_s == pytest.approx(sum(epoch.duration_s for epoch in epochs))


def test_the_best_epoch_on_val_is_kept(data: Layout, tmp_path: Path) -> None:
    after: list[dict[str, Any]] = []
    model = toy()

    def copy(epoch: EpochRecord) -> bool:
        after.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return False

    record, weights = train(data, tmp_path / "a", model=model, scores=(0.1, 0.3, 0.3, 0.2), on_epoch=copy)
    assert record.best_epoch == 2
    assert _same(weights, after[1])
    assert not _same(weights, after[3])
    assert [path.name for path in (tmp_path / "a").glob("best-*")] == ["best-2.safetensors"]


@pytest.mark.parametrize(
    "amount", [(2, None), (3, 2), (1, 4)], ids=["after epoch 2", "in 3", "at the end of 1"]
)
def test_a_killed_training_goes_on_to_the_same_bits(
    data: Layout, tmp_path: Path, amount: tuple[int, int | None]
) -> None:
    """Killed when the epoch is told, or in a step of it."""
    whole_history, whole = _history(data, tmp_path / "whole")
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
    history, resumed = _history(data, tmp_path / "killed", model=toy(seed=99 if told else 0))
    assert _same(whole, resumed)
    assert history == whole_history[-len(history) :]
    assert len(history) == 4 - len(told) + bool(told)  # the last told epoch is told again


def test_a_real_kill_goes_on_to_the_same_bits(data: Layout, tmp_path: Path) -> None:
    """SIGKILL in another process, in the middle of the third epoch."""
    _, whole = train(data, tmp_path / "whole")
    done = subprocess.run(
        [sys.executable, __file__, str(data.root), str(tmp_path / "killed"), "10"], check=False
    )
    assert done.returncode == -signal.SIGKILL
    record, resumed = train(data, tmp_path / "killed")
    assert record.epochs == 4
    assert _same(whole, resumed)


def test_a_finished_training_is_not_repeated(data: Layout, tmp_path: Path) -> None:
    first, weights = train(data, tmp_path / "a")
    steps: list[int] = []
    again, same = train(data, tmp_path / "a", model=toy(5), on_step=lambda done, total: steps.append(done))
    assert (again, steps) == (first, [])
    assert _same(weights, same)


def test_it_stops_when_told_and_stays_stopped(data: Layout, tmp_path: Path) -> None:
    record, _ = train(data, tmp_path / "a", on_epoch=lambda epoch: epoch.epoch == 2)
    assert (record.epochs, record.stopped_early, record.best_epoch) == (2, True, 2)
    again, _ = train(data, tmp_path / "a")
    assert again == record


def test_another_recipe_is_not_taken_for_the_same(data: Layout, tmp_path: Path) -> None:
    train(data, tmp_path / "a")
    with pytest.raises(RunError, match="other terms"):
        train(data, tmp_path / "a", lr=0.02)


def test_worker_processes_change_nothing(data: Layout, tmp_path: Path) -> None:
    _, alone = train(data, tmp_path / "alone", epochs=2)
    _, helped = train(data, tmp_path / "helped", epochs=2, workers=2)
    assert _same(alone, helped)


def test_validation_leaves_no_trace_in_the_training(data: Layout, tmp_path: Path) -> None:
    """Neither in batch norm's statistics nor in the random numbers."""
    often, _ = _history(data, tmp_path / "often")
    seldom, _ = _history(data, tmp_path / "seldom", val_every=4)
    assert [epoch.train_losses for epoch in often] == [epoch.train_losses for epoch in seldom]
    assert [bool(epoch.val_metrics) for epoch in seldom] == [False, False, False, True]


def test_a_backbone_without_a_rate_stays_as_it_is(data: Layout, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in toy().state_dict().items()}
    _, after = train(data, tmp_path / "a", backbone_lr=0.0)
    changed = {name for name in before if not _same({name: before[name]}, {name: after[name]})}
    assert changed == {"head.weight", "head.bias"}


def test_clipping_bounds_the_step(data: Layout, tmp_path: Path) -> None:
    import torch

    before = toy().state_dict()
    words = {
        "optimizer": "sgd",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "warmup_epochs": 0.0,
        "schedule": "constant",
        "lr": 1.0,
        "backbone_lr": 1.0,
        "batch_size": TRAIN_PICTURES,
        "epochs": 1,
    }
    for norm, below in ((1e-3, True), (0.0, False)):
        _, after = train(data, tmp_path / str(norm), **words, clip_norm=norm)
        moved = torch.cat(
            [
                (after[name] - before[name]).flatten()
                for name in before
                if "running" not in name and "num" not in name
            ]
        )
        assert (float(moved.norm()) < 1.01e-3) == below


def test_loss_weights_and_rates_count(data: Layout, tmp_path: Path) -> None:
    model = toy()
    model.loss_weights = {"box": 0.0, "class": 0.0}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _, after = train(data, tmp_path / "a", model=model, weight_decay=0.0)
    assert _same({"w": before["head.weight"]}, {"w": after["head.weight"]})


def test_a_loss_that_is_no_number_is_told(data: Layout, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="diverged"):
        train(data, tmp_path / "a", lr=1e30, backbone_lr=1e30, clip_norm=0.0, warmup_epochs=0.0)


def test_no_epochs_train_nothing(data: Layout, tmp_path: Path) -> None:
    record, weights = train(data, tmp_path / "a", epochs=0)
    assert (record.epochs, record.best_epoch, record.stopped_early) == (0, 0, False)
    assert _same(weights, dict(toy().state_dict()))


def test_the_process_is_left_as_it_was(data: Layout, tmp_path: Path) -> None:
    import torch

    state = torch.get_rng_state()
    threads = torch.get_num_threads()
    train(data, tmp_path / "a", epochs=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def _die_at(root: Path, workdir: Path, step: int) -> None:
    """Train until the step of that number, then end as `kill -9` ends a process."""
    seen = 0

    def on_step(done: int, total: int) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    train(Layout.open(root), workdir, on_step=on_step)


if __name__ == "__main__":
    _die_at(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
