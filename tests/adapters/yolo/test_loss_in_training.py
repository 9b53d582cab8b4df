"""The switch against class imbalance in real trainings of tiny."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import yaml

from bench.adapters.yolo.family import FAMILY
from bench.adapters.yolo.variants import TINY
from bench.detector import Detections, FitContext, Plan
from bench.gates.before import Candidate, before_training
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord

pytestmark = pytest.mark.slow

SWITCHED: dict[str, dict[str, Any]] = {
    "weighted": {"classification": "weighted"},
    "focal": {"classification": "focal"},
    "weighted focal": {"classification": "weighted_focal", "focal_alpha": 0.25, "background_weight": 0.5},
}

STILL = {"optimizer": "sgd", "lr": 1e-12, "momentum": 0, "weight_decay": 0, "warmup_epochs": 0}
"""So slow a training that every batch meets the network as it was built."""


class Killed(BaseException):
    """What no framework catches."""


class Training:
    """One training of tiny on 24 pictures, and what was heard of it."""

    def __init__(self, layout: Layout, workdir: Path, *, kill_at_step: int = 0) -> None:
        self.layout, self.workdir, self.kill_at_step = layout, workdir, kill_at_step
        self.steps = 0
        self.records: list[EpochRecord] = []
        self.detector: Any = None

    def fit(self, loss: dict[str, Any], *, variant: str = "tiny", **settings: Any) -> TrainingRecord:
        plan = planned(loss, variant=variant, **settings)
        self.detector = FAMILY.build(plan, classes=self.layout.classes, seed=3, device="cpu")
        self.workdir.mkdir(exist_ok=True)
        context = FitContext(self.workdir, 3, "cpu", score_val=score, on_epoch=self.hear, on_step=self.step)
        record: TrainingRecord = self.detector.fit(self.layout, plan.recipe, context)
        return record

    def hear(self, record: EpochRecord) -> bool:
        self.records.append(record)
        return False

    def step(self, done: int, total: int) -> None:
        self.steps += 1
        if self.steps == self.kill_at_step:
            raise Killed

    def history(self) -> list[dict[str, Any]]:
        return [record.model_dump(exclude={"duration_s", "images_per_s"}) for record in self.records]


def score(found: Sequence[Detections]) -> dict[str, float]:
    return {"AP": float(sum(d.scores.sum() for d in found)), "AP50": 0.0}


def planned(loss: dict[str, Any], *, variant: str = "tiny", **settings: Any) -> Plan:
    recipe = Recipe.model_validate({"epochs": 2, "batch_size": 8, "image_size": 64, "loss": loss, **settings})
    return FAMILY.plan(variant=variant, weights="none", options={"close_mosaic": 1}, recipe=recipe)


@pytest.fixture
def begin(yolo_scenes: Layout, tmp_path: Path) -> Callable[..., Training]:
    names: Iterator[int] = count()
    return lambda **given: Training(yolo_scenes, tmp_path / str(next(names)), **given)


@pytest.mark.parametrize(
    "loss", [{"classification": "focal", "focal_gamma": 0.0}, {"background_weight": 1.0}]
)
def test_a_switch_that_changes_nothing_trains_as_ultralytics_own_loss(
    begin: Callable[..., Training], loss: dict[str, Any]
) -> None:
    own, class_loss = begin(), begin()
    assert own.fit({}).loss is None
    record = class_loss.fit(loss).loss
    assert record is not None and record.scale == 1
    assert class_loss.history() == own.history()


def test_where_training_begins_it_is_as_large_as_the_standard(begin: Callable[..., Training]) -> None:
    """Within 10 %, in the mean over 12 batches of the train split, whatever the first one was like."""
    own = begin()
    own.fit({}, epochs=4, **STILL)
    size = mean(record.train_losses["cls"] for record in own.records)
    for loss in SWITCHED.values():
        class_loss = begin()
        class_loss.fit(loss, epochs=4, **STILL)
        found = mean(record.train_losses["cls"] for record in class_loss.records)
        assert found == pytest.approx(size, rel=0.1)
        assert found != size
        assert class_loss.records[0].val_losses["cls"] != own.records[0].val_losses["cls"]


def test_a_killed_training_goes_on_with_the_same_scale(begin: Callable[..., Training]) -> None:
    whole = begin()
    record = whole.fit(SWITCHED["weighted focal"], epochs=3)
    assert record.loss is not None and record.loss.scale > 1
    assert record.loss.train_counts == whole.layout.class_counts("train")
    killed = begin(kill_at_step=5)  # in epoch 2
    with pytest.raises(Killed):
        killed.fit(SWITCHED["weighted focal"], epochs=3)
    resumed = Training(killed.layout, killed.workdir)
    assert resumed.fit(SWITCHED["weighted focal"], epochs=3).loss == record.loss
    assert killed.history()[:1] + resumed.history()[1:] == whole.history()
    again = Training(killed.layout, killed.workdir)  # what is done is told again, and not trained
    assert again.fit(SWITCHED["weighted focal"], epochs=3).loss == record.loss
    assert not again.steps


def test_a_model_with_two_heads_trains_and_goes_on(begin: Callable[..., Training], tmp_path: Path) -> None:
    architecture = {**TINY, "end2end": True}
    file = tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump(json.loads(json.dumps(architecture))), encoding="utf-8")
    own, whole, killed = begin(), begin(), begin(kill_at_step=5)
    own.fit({}, variant=str(file))
    whole.fit(SWITCHED["focal"], variant=str(file))
    losses = [training.records[0].train_losses["cls"] for training in (own, whole)]
    assert losses[0] != losses[1]
    with pytest.raises(Killed):
        killed.fit(SWITCHED["focal"], variant=str(file))
    resumed = Training(killed.layout, killed.workdir)
    resumed.fit(SWITCHED["focal"], variant=str(file))
    assert killed.history()[:1] + resumed.history()[1:] == whole.history()


PLAIN_ULTRALYTICS = """
import sys
from ultralytics import YOLO
from ultralytics.nn.tasks import DetectionModel
image, *files = sys.argv[1:]
for file in files:
    model = YOLO(file)
    assert type(model.model) is DetectionModel and getattr(model.model, "criterion", None) is None, file
    model.predict(image, conf=0.001, imgsz=64, verbose=False)
assert not [name for name in sys.modules if name == "bench" or name.startswith("bench.")]
"""


def test_plain_ultralytics_loads_what_it_leaves(begin: Callable[..., Training], tmp_path: Path) -> None:
    training = begin(kill_at_step=5)  # a last.pt and a best.pt of ultralytics' own are there, too
    with pytest.raises(Killed):
        training.fit(SWITCHED["weighted focal"])
    left = [training.workdir / "best-1.pt", training.workdir / "ultralytics" / "weights" / "last.pt"]
    done = begin()
    done.fit(SWITCHED["weighted focal"])
    done.detector.save(tmp_path / "saved")
    left += [tmp_path / "saved" / "best.pt", done.workdir / "last.pt"]
    image = done.layout.examples("test")[0].path
    safe = {name: value for name, value in os.environ.items() if name != "ULTRALYTICS_SAFE_LOAD"}
    plain = subprocess.run(
        [sys.executable, "-c", PLAIN_ULTRALYTICS, str(image), *map(str, left)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**safe, "YOLO_CONFIG_DIR": str(tmp_path), "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"},
        timeout=120,
    )
    assert plain.returncode == 0, plain.stderr


@pytest.mark.parametrize("loss", SWITCHED.values(), ids=SWITCHED.keys())
def test_the_gates_let_it_pass(loss: dict[str, Any], tmp_path: Path) -> None:
    plan = planned(loss)
    candidate = Candidate(FAMILY, plan, ("brick", "leaf", "sky"), 0, "cpu")
    results = before_training(candidate, tmp_path)
    assert [(result.name, result.detail) for result in results if not result.passed] == []
