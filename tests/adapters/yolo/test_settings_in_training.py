"""What the recipe's words do to a real training; what they are read as is test_family.py's."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.adapters.yolo.family import FAMILY
from bench.detector import Detections, FitContext
from bench.errors import RecipeError
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord

pytestmark = pytest.mark.slow

PLAIN: dict[str, Any] = {"mosaic": 0, "close_mosaic": 0}


class Killed(BaseException):
    """What no framework catches."""


@dataclass
class Trained:
    """One training of tiny on 24 pictures, and what was left after each of its epochs."""

    layout: Layout
    workdir: Path
    options: dict[str, Any] = field(default_factory=lambda: dict(PLAIN))
    kill_at_step: int = 0
    stop_at: int = 0
    records: list[EpochRecord] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    training: TrainingRecord | None = None
    detector: Any = None

    def fit(self, **settings: Any) -> "Trained":
        recipe = Recipe.model_validate({"batch_size": 8, "image_size": 64, **settings})
        plan = FAMILY.plan(variant="tiny", weights="none", options=self.options, recipe=recipe)
        self.workdir.mkdir(exist_ok=True)
        context = FitContext(
            self.workdir, 3, "cpu", score_val=self.score, on_epoch=self.hear, on_step=self.step
        )
        self.detector = FAMILY.build(plan, classes=self.layout.classes, seed=3, device="cpu")
        self.training = self.detector.fit(self.layout, plan.recipe, context)
        return self

    def score(self, found: Sequence[Detections]) -> dict[str, float]:
        return {"AP": float(sum(d.scores.sum() for d in found)), "AP50": 0.0}

    def hear(self, record: EpochRecord) -> bool:
        import torch

        self.records.append(record)
        if record.share == 1:
            self.states.append(torch.load(self.workdir / "state.pt", weights_only=True)["parts"])
        return record.optimizer_steps == self.stop_at

    def step(self, done: int, total: int) -> None:
        self.steps.append((done, total))
        if len(self.steps) == self.kill_at_step:
            raise Killed

    def history(self) -> list[dict[str, Any]]:
        return [record.model_dump(exclude={"duration_s", "images_per_s"}) for record in self.records]

    def weights(self) -> dict[str, Any]:
        found: dict[str, Any] = self.detector.model.state_dict()
        return found


@pytest.fixture
def begin(yolo_scenes: Layout, tmp_path: Path) -> Callable[..., Trained]:
    names: Iterator[int] = count()
    return lambda **given: Trained(**{"layout": yolo_scenes, "workdir": tmp_path / str(next(names)), **given})


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def moved(before: dict[str, Any], after: dict[str, Any]) -> set[int]:
    """The layers whose weights or statistics are others."""
    return {int(name.split(".")[1]) for name in after if not after[name].equal(before[name])}


@pytest.mark.parametrize(
    ("settings", "steps", "images", "last"),
    [
        ({"budget": {"steps": 4}}, 4, 32, (1, 1)),
        ({"budget": {"steps": 2}, "accumulate": 2}, 2, 24, (2, 2)),
        ({"budget": {"steps": 1}, "accumulate": 2}, 1, 16, (1, 1)),
        ({"budget": {"images": 29}}, 4, 29, (1, 1)),
        ({"budget": {"images": 45}, "accumulate": 2}, 4, 45, (2, 2)),
        ({"epochs": 1, "accumulate": 3}, 1, 24, (1, 1)),
    ],
)
def test_the_end_is_where_the_budget_says(
    begin: Callable[..., Trained], settings: dict[str, Any], steps: int, images: int, last: tuple[int, int]
) -> None:
    run = begin().fit(**settings, val_every=100)
    assert run.training is not None
    assert (run.training.optimizer_steps, run.training.images_seen) == (steps, images)
    assert run.steps[-1] == last
    assert run.records[-1].val_metrics
    assert run.records[-1].epoch == run.records[-1].epochs == run.training.epochs == run.training.best_epoch
    assert not run.training.stopped_early

    again = Trained(run.layout, run.workdir).fit(**settings, val_every=100)
    assert again.training == run.training
    assert not again.steps


def test_a_budget_s_last_batch_keeps_the_boxes_of_its_pictures() -> None:
    import torch

    from bench.adapters.yolo.steps import first_images

    batch = {
        "img": torch.arange(3),
        "im_file": ("a", "b", "c"),
        "batch_idx": torch.tensor([0.0, 1, 1, 2]),
        "cls": torch.tensor([5, 6, 7, 8]),
    }
    cut = first_images(batch, 2)
    assert (cut["img"].tolist(), cut["im_file"], cut["cls"].tolist()) == ([0, 1], ("a", "b"), [5, 6, 7])


def test_a_clock_ends_a_training_and_bends_its_rates(
    begin: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = count()
    monkeypatch.setattr("bench.adapters.yolo.steps.time", SimpleNamespace(perf_counter=lambda: next(now)))
    own = {"options": {"close_mosaic": 1}}
    settings = {"budget": {"seconds": 17}, "schedule": "linear", "final_lr_share": 0, "lr": 0.01}
    settings |= {"warmup_epochs": 0}
    run = begin(**own).fit(**settings)
    assert run.training is not None
    # The clock is asked when an epoch begins and ends, and twice a step: 7 s an epoch, 5 in the last.
    assert (run.training.epochs, run.training.optimizer_steps) == (3, 8)
    assert run.training.images_seen == 64
    assert [record.epochs for record in run.records] == [1, 3, 3]
    rates = [record.learning_rates["weight"] for record in run.records]
    assert rates == pytest.approx([0.01 * (1 - used / 17) for used in (5, 12, 17)])

    killed = begin(**own, kill_at_step=7)  # in its last epoch
    with pytest.raises(Killed):
        killed.fit(**settings)
    resumed = Trained(killed.layout, killed.workdir, **own).fit(**settings)
    assert resumed.records[-1].learning_rates == run.records[-1].learning_rates
    assert resumed.records[-1].optimizer_steps == 8


def test_batches_of_a_step_add_up(begin: Callable[..., Trained]) -> None:
    """So slow a training hardly moves: three steps go where one of three batches goes."""
    import torch

    settings = {"epochs": 1, "optimizer": "sgd", "lr": 1e-5, "momentum": 0, "weight_decay": 0, "clip_norm": 0}
    settings |= {"schedule": "constant", "warmup_epochs": 0}
    one, three = begin().fit(**settings, accumulate=3), begin().fit(**settings)
    assert one.training is not None
    assert one.training.optimizer_steps == 1
    plan = FAMILY.plan(variant="tiny", weights="none", options={}, recipe=Recipe())
    start = FAMILY.build(plan, classes=one.layout.classes, seed=3, device="cpu").model.state_dict()  # type: ignore[attr-defined]
    name = "model.14.cv3.0.2.bias"
    paths = [run.states[0]["model"][name].double() - start[name].double() for run in (one, three)]
    assert paths[0].abs().max() > 1e-6
    torch.testing.assert_close(paths[0], paths[1], rtol=0.05, atol=1e-7)


def test_an_epoch_whose_loss_is_nan_is_not_trained_again(begin: Callable[..., Trained]) -> None:
    """ultralytics would, from its last checkpoint: weights and a length that the recipe does not say."""
    run = begin(options={**PLAIN, "box": 1e39}).fit(epochs=3)
    assert not math.isfinite(run.records[-1].train_losses["box"])
    assert run.training is not None
    assert (run.training.epochs, run.training.optimizer_steps) == (3, 9)


def test_stages_freeze_and_thaw(begin: Callable[..., Trained]) -> None:
    stages = [
        {"epochs": 1, "freeze": ["all_but_head"], "lr": 0.004},
        {"epochs": 1, "freeze": ["backbone"], "lr": 0.002, "schedule": "linear"},
        {"epochs": 1, "backbone_lr": 0.0005, "schedule": "constant"},
    ]
    run = begin().fit(stages=stages, lr=0.001, warmup_epochs=0, schedule="constant", final_lr_share=0.5)
    first, second, third = (state["model"] for state in run.states)
    plan = FAMILY.plan(variant="tiny", weights="none", options={}, recipe=Recipe())
    start = FAMILY.build(plan, classes=run.layout.classes, seed=3, device="cpu").model.state_dict()  # type: ignore[attr-defined]
    assert moved(start, first) == {14}  # the Detect layer
    assert moved(first, second) == {10, 11, 13, 14}  # the backbone ends with 7
    assert moved(second, third) == {0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 13, 14}
    rates = [record.learning_rates for record in run.records]
    assert [rate["weight"] for rate in rates] == pytest.approx([0.004, 0.001, 0.001])
    assert [rate["backbone weight"] for rate in rates] == pytest.approx([0.004, 0.001, 0.0005])
    assert run.detector.describe().trainable_parameters > 200_000


def test_decay_of_norms_and_the_average_s_decay(begin: Callable[..., Trained]) -> None:
    settings = {"epochs": 1, "weight_decay": 0.1}
    usual, other = begin().fit(**settings), begin().fit(**settings, decay_norms=True, ema=0.5)
    decays = [
        {group["param_group"]: group["weight_decay"] for group in run.states[0]["optimizer"]["param_groups"]}
        for run in (usual, other)
    ]
    assert decays == [{"weight": 0.1, "bn": 0, "bias": 0}, {"weight": 0.1, "bn": 0.1, "bias": 0.1}]
    average = begin().fit(**settings, ema=0.5)
    assert same(average.states[0]["model"], usual.states[0]["model"])
    assert not same(average.states[0]["ema"], usual.states[0]["ema"])


LONG: dict[str, dict[str, Any]] = {
    "stages": {
        "stages": [{"epochs": 2, "freeze": ["backbone"]}, {"epochs": 2, "lr": 0.001}],
        "accumulate": 2,
        "optimizer": "sgd",
        "ema": 0.9,
        "channels_last": True,
        "multi_scale": 0.5,
    },
    "steps": {"budget": {"steps": 11}, "schedule": "cosine_restarts", "restarts": 2, "decay_norms": True},
    "pictures": {"budget": {"images": 90}, "batch_size": 5, "schedule": "linear", "backbone_lr": 0.0005},
}


def test_validations_that_steps_count(begin: Callable[..., Trained]) -> None:
    """3 steps make an epoch. They change nothing of the training; the best and the end may be at one."""
    often = begin().fit(epochs=3, val_every={"steps": 4})
    places = [
        (record.optimizer_steps, round(record.share, 3)) for record in often.records if record.val_metrics
    ]
    assert places == [(4, 0.333), (8, 0.667), (9, 1.0)]
    assert often.training is not None and often.training.best_step is not None
    scores = {record.optimizer_steps: record.val_metrics.get("AP", -1.0) for record in often.records}
    assert often.training.best_step == max(scores, key=lambda step: scores[step])
    seldom = begin().fit(epochs=3, val_every=3)
    whole = [record for record in often.records if record.share == 1]
    assert [record.train_losses for record in whole] == [record.train_losses for record in seldom.records]
    assert same(often.states[-1]["model"], seldom.states[-1]["model"])


def test_one_in_the_middle_may_end_the_training(begin: Callable[..., Trained]) -> None:
    run = begin()
    run.stop_at = 4
    run.fit(epochs=3, val_every={"steps": 2})
    assert run.training is not None
    assert (run.training.epochs, run.training.optimizer_steps) == (2, 4)
    assert run.training.stopped_early and run.records[-1].optimizer_steps == 4
    again = Trained(run.layout, run.workdir).fit(epochs=3, val_every={"steps": 2})
    assert again.training == run.training and not again.records


def test_same_seed_same_history(begin: Callable[..., Trained]) -> None:
    one, other = (begin(options={"close_mosaic": 1}).fit(epochs=2) for _ in range(2))
    assert one.history() == other.history()
    assert same(one.weights(), other.weights())


@pytest.mark.parametrize("settings", LONG.values(), ids=LONG.keys())
def test_a_killed_training_goes_on_exactly(begin: Callable[..., Trained], settings: dict[str, Any]) -> None:
    own = {"options": {"close_mosaic": 1, "mixup": 0.3}}
    whole = begin(**own).fit(**settings)
    per_epoch = whole.steps[0][1]
    killed = begin(**own, kill_at_step=3 * per_epoch + 1)
    with pytest.raises(Killed):
        killed.fit(**settings)
    resumed = Trained(killed.layout, killed.workdir, **own).fit(**settings)
    assert [record.epoch for record in resumed.records] == [3, 4]  # 3 is told again
    assert killed.history()[:2] + resumed.history() == whole.history()
    assert same(resumed.weights(), whole.weights())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"amp": "bf16"}, r"train\.amp.*cpu"),
        ({"amp": "fp16"}, r"train\.amp.*cpu"),
        ({"batch_size": 25}, "train split has 24 images"),
        ({"batch_size": 8, "accumulate": 4}, "train split has 24 images"),
    ],
)
def test_what_can_t_be_done_here_is_refused(
    begin: Callable[..., Trained], settings: dict[str, Any], message: str
) -> None:
    run = begin()
    with pytest.raises(RecipeError, match=message):
        run.fit(epochs=1, **settings)
    assert not run.steps


def test_a_network_that_can_t_be_compiled_is_refused(
    begin: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ultralytics.engine import trainer

    monkeypatch.setattr(trainer, "attempt_compile", lambda model, **settings: model)  # as without a compiler
    with pytest.raises(RecipeError, match=r"train\.compile"):
        begin().fit(epochs=1, compile=True)
