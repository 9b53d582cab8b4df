"""A network that trains in milliseconds, and a training of it. As a script, this file trains and is killed.

torch is imported where it is needed: collecting the fast tests must not pay for it.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.detector import Detections, FitContext
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord

if TYPE_CHECKING:
    from bench.adapters.loop.trainable import Trainable

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
TRAIN_IMAGES = 14
STEPS_IN_EPOCH = 4


def make_toy(seed: int = 0) -> "Trainable":
    """One box and one class a picture; with batch norm and dropout, which are what makes resuming hard."""
    import torch
    from torch import Tensor, nn

    from bench.adapters.loop.trainable import Batch, RawDetections, Trainable

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

        @property
        def parts(self) -> dict[str, list[nn.Module]]:
            return {"backbone": [self.body], "head": [self.head]}

        @property
        def compilable(self) -> list[nn.Module]:
            return [self.body]

        def counts(self, batch: Batch) -> dict[str, float]:
            """Pictures with an object."""
            some = sum(bool(len(target.labels)) for target in batch.targets)
            return {"box": some, "class": some}

        def _out(self, batch: Batch) -> Tensor:
            out: Tensor = self.head(self.dropout(self.body(batch.pixels.float() / 255).mean((2, 3))))
            return out

        def forward(self, batch: Batch) -> dict[str, Tensor]:
            out = self._out(batch)
            some = [i for i, target in enumerate(batch.targets) if len(target.labels)]
            if not some:
                return {"box": 0 * out.sum(), "class": 0 * out.sum()}
            boxes = torch.stack([batch.targets[i].boxes_xyxy[0] / 32 for i in some])
            labels = torch.stack([batch.targets[i].labels[0] for i in some])
            return {
                "box": nn.functional.l1_loss(out[some, :4], boxes),
                "class": nn.functional.cross_entropy(out[some, 4:], labels),
            }

        def detect(self, batch: Batch) -> list[RawDetections]:
            out = self._out(batch)
            scores, labels = out[:, 4:].softmax(1).max(1)
            return [
                RawDetections(box[None] * 32, score[None], label[None])
                for box, score, label in zip(out[:, :4], scores, labels, strict=True)
            ]

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Toy()


def make_layout(folder: Path) -> Layout:
    config = DataConfig(source="synthetic", synthetic=SyntheticConfig(images=20, size=32, seed=1))
    return prepare(config, folder)


def train_toy(
    data: Layout,
    workdir: Path,
    *,
    model: "Trainable | None" = None,
    scores: Sequence[float] = (0.1, 0.2, 0.3, 0.4),
    on_epoch: Callable[[EpochRecord], bool] = lambda epoch: False,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> "tuple[TrainingRecord, dict[str, Any]]":
    """Train a toy; the judge's verdict on epoch e is scores[e - 1]. The record, and the final weights."""
    from bench.adapters.loop import training as loop

    workdir.mkdir(exist_ok=True)
    given = {**WORDS, **settings}
    recipe = Recipe.model_validate({setting: value for setting, value in given.items() if value is not None})
    heard: list[int] = []

    def hear(epoch: EpochRecord) -> bool:
        heard.append(epoch.epoch)
        return on_epoch(epoch)

    def score(found: Sequence[Detections]) -> dict[str, float]:
        assert len(found) == len(data.examples("val"))
        epoch = heard[-1] + 1 if heard else 1  # a resumed training hears of its last epoch again
        return {"AP": scores[epoch - 1], "AP50": 0.5}

    model = model or make_toy()
    record = loop.fit(
        model,
        data,
        recipe,
        FitContext(workdir, seed=3, device="cpu", score_val=score, on_epoch=hear, on_step=on_step),
    )
    return record, dict(model.state_dict())


def same_weights(one: dict[str, Any], other: dict[str, Any]) -> bool:
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


_TIMES: dict[str, Any] = {"duration_s": 0.0, "images_per_s": None}


def told(data: Layout, workdir: Path, **settings: Any) -> tuple[list[EpochRecord], dict[str, Any]]:
    epochs: list[EpochRecord] = []
    _, weights = train_toy(data, workdir, on_epoch=lambda epoch: bool(epochs.append(epoch)), **settings)
    return [epoch.model_copy(update=_TIMES) for epoch in epochs], weights


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    made = make_layout(tmp_path_factory.mktemp("data"))
    assert len(made.examples("train")) == TRAIN_IMAGES
    return made


@pytest.fixture
def toy() -> Any:
    return make_toy


@pytest.fixture
def train() -> Any:
    return train_toy


@pytest.fixture
def history() -> Any:
    return told


@pytest.fixture
def same() -> Any:
    return same_weights


@pytest.fixture
def toys_file() -> str:
    return __file__


def _die_at(root: Path, workdir: Path, step: int) -> None:
    """Train until the step of that number, then end as `kill -9` ends a process."""
    seen = 0

    def on_step(done: int, total: int) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    train_toy(Layout.open(root), workdir, on_step=on_step)


if __name__ == "__main__":
    _die_at(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
