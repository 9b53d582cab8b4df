import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.adapters.yolo.family import FAMILY
from bench.detector import Detections, FitContext, Plan
from bench.errors import RunError
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord

pytestmark = pytest.mark.slow

EPOCHS = 5
OPTIONS = {"close_mosaic": 2}


def planned(options: dict[str, Any] = OPTIONS, **settings: Any) -> Plan:
    recipe = Recipe(**{"epochs": EPOCHS, "batch_size": 8, "image_size": 64, **settings})
    return FAMILY.plan(variant="tiny", weights="none", options=options, recipe=recipe)


class Killed(BaseException):
    """What no framework catches."""


@dataclass
class Harness:
    """Hears of a training, and judges it by a made-up score: `scores` in the order of the validations."""

    workdir: Path
    scores: Sequence[float] = (0.1, 0.3, 0.2, 0.25, 0.4)
    stop_at: int = 0
    kill_in: int = 0
    epochs: list[EpochRecord] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    judged: list[int] = field(default_factory=list)
    training: TrainingRecord | None = None

    def context(self) -> FitContext:
        self.workdir.mkdir(exist_ok=True)
        return FitContext(
            workdir=self.workdir,
            seed=3,
            device="cpu",
            score_val=self.score,
            on_epoch=self.hear,
            on_step=self.step,
        )

    def score(self, found: Sequence[Detections]) -> dict[str, float]:
        self.judged.append(len(found))
        value = self.scores[len(self.judged) - 1]
        return {"AP": value, "AP50": value}

    def hear(self, record: EpochRecord) -> bool:
        self.epochs.append(record)
        return record.epoch == self.stop_at

    def step(self, done: int, total: int) -> None:
        self.steps.append((done, total))
        if self.kill_in and len(self.steps) == (self.kill_in - 1) * total + 2:
            raise Killed


def fit(layout: Layout, plan: Plan, harness: Harness) -> tuple[Any, TrainingRecord]:
    detector = FAMILY.build(plan, classes=layout.classes, seed=3, device="cpu")
    return detector, detector.fit(layout, plan.recipe, harness.context())


def weights(path: Path) -> dict[str, Any]:
    """Of the averaged model in one of ultralytics' stripped checkpoints."""
    import torch

    found: dict[str, Any] = torch.load(path, weights_only=False)["model"].state_dict()  # written by this test
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole(yolo_scenes: Layout, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    """An uninterrupted training."""
    harness = Harness(tmp_path_factory.mktemp("whole"))
    _, harness.training = fit(yolo_scenes, planned(), harness)
    return harness


def test_trains_the_weights_that_ultralytics_alone_trains(
    yolo_scenes: Layout, whole: Harness, tmp_path: Path
) -> None:
    from ultralytics.models.yolo.detect import DetectionTrainer

    from bench.adapters.yolo.variants import TINY

    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(dict(TINY)), encoding="utf-8")
    trainer = DetectionTrainer(
        overrides={
            "model": str(tmp_path / "tiny.yaml"),
            "data": str(own_copy(yolo_scenes, tmp_path / "scenes")),
            "save_dir": str(tmp_path / "run"),
            "epochs": EPOCHS,
            "batch": 8,
            "nbs": 8,
            "imgsz": 64,
            "optimizer": "AdamW",
            "lr0": 0.002,
            "momentum": 0.9,
            "cos_lr": True,
            "warmup_epochs": 1.0,
            "warmup_bias_lr": 0.0,
            "close_mosaic": 2,
            "seed": 3,
            "device": "cpu",
            "plots": False,
            "patience": 0,
        }
    )
    trainer.train()
    assert same(weights(trainer.last), weights(whole.workdir / "best-5.pt"))


def own_copy(layout: Layout, folder: Path) -> Path:
    """For ultralytics' own dataset, which writes into it. The path of its data.yaml."""
    shutil.copytree(layout.root, folder)
    text = layout.data_yaml.read_text(encoding="utf-8")
    (folder / "data.yaml").write_text(text.replace(str(layout.root), str(folder)), encoding="utf-8")
    return folder / "data.yaml"


def test_tells_every_epoch_once_with_losses_by_component(whole: Harness) -> None:
    assert [record.epoch for record in whole.epochs] == [1, 2, 3, 4, 5]
    assert [record.optimizer_steps for record in whole.epochs] == [3, 6, 9, 12, 15]
    assert [record.images_seen for record in whole.epochs] == [24, 48, 72, 96, 120]
    for record in whole.epochs:
        assert record.train_losses.keys() == record.val_losses.keys() == {"box", "cls", "dfl"}
        assert 0 < record.train_losses["box"] < 2  # 1 - IoU and not 7.5 times that
        assert {"AP", "AP50", "native/mAP50-95"} <= record.val_metrics.keys()
        assert record.learning_rates.keys() == {"weight", "bn", "bias"}
        assert record.duration_s > 24 / (record.images_per_s or 0) > 0
    assert whole.steps == [(1, 3), (2, 3), (3, 3)] * 5
    assert whole.judged == [8] * 5


def test_a_finished_training_keeps_its_best_checkpoint_and_no_optimiser(whole: Harness) -> None:
    assert whole.training is not None
    assert (whole.training.epochs, whole.training.best_epoch) == (5, 5)
    left = {str(path.relative_to(whole.workdir)) for path in whole.workdir.rglob("*") if path.is_file()}
    assert left == {"best-5.pt", "last.pt", "state.pt", "ultralytics/args.yaml", "ultralytics/results.csv"}
    assert (whole.workdir / "best-5.pt").stat().st_size < 700_000  # 218,298 parameters of 2 bytes


def test_a_training_that_is_killed_twice_ends_with_the_weights_of_a_whole_one(
    yolo_scenes: Layout, whole: Harness, tmp_path: Path
) -> None:
    workdir = tmp_path / "work"
    workdir.mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_EPOCH_2, str(yolo_scenes.root), str(workdir)],
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()

    again = Harness(workdir, scores=(0.3, 0.2, 0.2), kill_in=3)  # counted from epoch 2: in epoch 4
    with pytest.raises(Killed):
        fit(yolo_scenes, planned(), again)
    last = Harness(workdir, scores=(0.25, 0.4))
    _, training = fit(yolo_scenes, planned(), last)

    assert [record.epoch for record in again.epochs + last.epochs] == [1, 2, 3, 3, 4, 5]
    assert same(weights(workdir / "best-5.pt"), weights(whole.workdir / "best-5.pt"))
    assert whole.training is not None
    times = {"duration_s": 0, "training_s": 0}
    assert training.model_copy(update=times) == whole.training.model_copy(update=times)
    assert last.epochs[-1].train_losses == whole.epochs[-1].train_losses
    csv = (workdir / "ultralytics" / "results.csv").read_text(encoding="utf-8")
    assert len(csv.splitlines()) == 6


KILLED_IN_EPOCH_2 = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from bench.adapters.yolo.family import FAMILY
    from bench.detector import FitContext
    from bench.layout import Layout
    from bench.recipe import Recipe

    steps = []

    def step(done, total):
        steps.append(done)
        if len(steps) == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    layout, workdir = Layout.open(Path(sys.argv[1])), Path(sys.argv[2])
    recipe = Recipe(epochs=5, batch_size=8, image_size=64)
    plan = FAMILY.plan(variant="tiny", weights="none", options={"close_mosaic": 2}, recipe=recipe)
    detector = FAMILY.build(plan, classes=layout.classes, seed=3, device="cpu")
    context = FitContext(
        workdir=workdir, seed=3, device="cpu",
        score_val=lambda found: {"AP": 0.1, "AP50": 0.1}, on_epoch=lambda record: False, on_step=step,
    )
    detector.fit(layout, plan.recipe, context)
""")


def test_a_training_that_is_done_is_not_repeated(yolo_scenes: Layout, whole: Harness) -> None:
    again = Harness(whole.workdir)
    _, training = fit(yolo_scenes, planned(), again)
    assert training == whole.training
    assert not again.steps


def test_another_recipe_does_not_take_up_what_is_there(yolo_scenes: Layout, whole: Harness) -> None:
    with pytest.raises(RunError, match=r"recipe\.lr was 0\.002, now 0\.1"):
        fit(yolo_scenes, planned(lr=0.1), Harness(whole.workdir))


def test_the_harness_stops_it_and_not_every_epoch_is_judged(yolo_scenes: Layout, tmp_path: Path) -> None:
    harness = Harness(tmp_path, scores=(0.5, 0.5), stop_at=4)
    _, training = fit(yolo_scenes, planned(val_every=2, epochs=6), harness)
    assert [bool(record.val_metrics) for record in harness.epochs] == [False, True, False, True]
    assert training.stopped_early
    assert (training.epochs, training.best_epoch) == (4, 2)  # not its equal, and no epoch without a verdict

    resumed = Harness(tmp_path)
    _, again = fit(yolo_scenes, planned(val_every=2, epochs=6), resumed)
    assert again == training
    assert not resumed.epochs


def test_rates_clipping_and_freezing_are_the_recipe_s(yolo_scenes: Layout, tmp_path: Path) -> None:
    settings = {"epochs": 4, "lr": 0.01, "warmup_epochs": 0, "schedule": "step", "step_at": (0.5, 0.75)}
    stepped = Harness(tmp_path / "stepped")
    fit(yolo_scenes, planned(**settings, backbone_lr=0.001, optimizer="sgd", momentum=0.5), stepped)
    rates = [record.learning_rates for record in stepped.epochs]
    assert [rate["weight"] for rate in rates] == pytest.approx([0.01, 0.01, 0.001, 0.0001])
    assert [rate["backbone bias"] for rate in rates] == pytest.approx([0.001, 0.001, 0.0001, 0.00001])

    frozen = Harness(tmp_path / "frozen")
    detector, _ = fit(yolo_scenes, planned(epochs=1, backbone_lr=0, schedule="constant"), frozen)
    fresh = FAMILY.build(planned(backbone_lr=0), classes=yolo_scenes.classes, seed=3, device="cpu")
    trained, started = detector.model.state_dict(), fresh.model.half().float().state_dict()  # type: ignore[attr-defined]
    moved = {name.split(".")[1] for name in trained if not trained[name].equal(started[name])}
    assert moved == {"10", "11", "13", "14"}  # the head's layers; the backbone ends with 7

    still = Harness(tmp_path / "still")
    detector, _ = fit(yolo_scenes, planned(epochs=1, clip_norm=1e-9, optimizer="sgd", weight_decay=0), still)
    trained = detector.model.state_dict()
    assert all(
        trained[name].allclose(started[name], atol=1e-3) for name in trained if name.endswith("conv.weight")
    )
