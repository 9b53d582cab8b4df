"""What each word of the recipe does to a training of the toy network (conftest.py)."""

import time
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RecipeError
from bench.layout import Layout
from bench.records import EpochRecord

pytestmark = pytest.mark.slow

IMAGES = 14
PLAIN = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "weight_decay": 0.0,
    "warmup_epochs": 0.0,
    "schedule": "constant",
    "clip_norm": 0.0,
    "lr": 0.1,
    "backbone_lr": 0.1,
    "multi_scale": 0.0,
}


class Killed(BaseException):
    """Not an error that anything may catch."""


def _killed_after(epoch: int) -> Any:
    def on_epoch(record: EpochRecord) -> bool:
        if record.epoch == epoch:
            raise Killed
        return False

    return on_epoch


def _without_batch_statistics(model: Any) -> Any:
    from torch import nn

    model.body[1], model.dropout = nn.Identity(), nn.Identity()
    return model


def _moved(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    import torch

    return {name for name in before if not torch.equal(before[name], after[name])}


def _copy(model: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(("batch_size", "accumulate"), [(2, 7), (4, 2), (1, 14)])
def test_small_batches_add_up_to_a_large_one(
    data: Layout, tmp_path: Path, train: Any, toy: Any, batch_size: int, accumulate: int
) -> None:
    import torch

    large = batch_size * accumulate  # 8 of 14 images leaves a second step of 6: a batch of 4 and one of 2
    weights = []
    for settings in ({"batch_size": large}, {"batch_size": batch_size, "accumulate": accumulate}):
        record, after = train(
            data,
            tmp_path / str(settings["batch_size"]),
            model=_without_batch_statistics(toy()),
            **{**PLAIN, **settings, "epochs": 2},
        )
        assert (record.optimizer_steps, record.images_seen) == (2 * ceil(IMAGES / large), 2 * IMAGES)
        weights.append(after)
    before = _copy(_without_batch_statistics(toy()))
    assert _moved(before, weights[0]) == set(before)
    for name in weights[0]:
        assert torch.allclose(weights[0][name], weights[1][name], atol=1e-6), name


def test_the_last_incomplete_group_of_an_epoch_steps(data: Layout, tmp_path: Path, train: Any) -> None:
    steps: list[tuple[int, int]] = []
    record, _ = train(
        data, tmp_path / "a", accumulate=3, epochs=2, on_step=lambda *step: steps.append(step)
    )  # 12 pictures, then 2
    assert steps == [(1, 2), (2, 2)] * 2
    assert record.optimizer_steps == 4


def test_norms_and_biases_decay_only_where_they_are_asked_to(toy: Any) -> None:
    from bench.adapters.loop import optimiser
    from bench.recipe import Recipe

    model = toy()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decaying = {}
    for decay_norms in (True, False):
        recipe = Recipe(lr=0.1, backbone_lr=0.01, weight_decay=0.3, decay_norms=decay_norms)
        groups = optimiser.groups(model, recipe)
        assert {group["name"]: group["lr"] for group in groups} == {"backbone": 0.01, "rest": 0.1}
        assert sorted(names[id(p)] for group in groups for p in group["params"]) == sorted(names.values())
        decaying[decay_norms] = {
            names[id(p)] for group in groups if group["weight_decay"] == 0.3 for p in group["params"]
        }
    assert decaying == {True: set(names.values()), False: {"body.0.weight", "head.weight"}}


def test_decay_shrinks_only_what_decays(data: Layout, tmp_path: Path, train: Any, toy: Any) -> None:
    """A network whose losses do not count: only decay moves it."""
    for decay_norms, moved in (
        (True, {"body.0.weight", "body.0.bias", "body.1.weight", "head.weight", "head.bias"}),
        (False, {"body.0.weight", "head.weight"}),
    ):
        model = toy()
        model.loss_weights = {"box": 0.0, "class": 0.0}
        before = _copy(model)
        settings = {**PLAIN, "weight_decay": 0.1, "decay_norms": decay_norms, "epochs": 1}
        _, after = train(data, tmp_path / str(decay_norms), model=model, **settings)
        statistics = {"body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked"}
        assert _moved(before, after) - statistics == moved


def test_the_average_is_judged_and_kept(data: Layout, tmp_path: Path, train: Any, toy: Any) -> None:
    """Against an average taken by hand after every step."""
    import torch

    model = toy()
    trail = [_copy(model)]
    seen: list[dict[str, Any]] = []
    detect = model.detect

    def watched(batch: Any) -> Any:
        seen.append(_copy(model))
        return detect(batch)

    model.detect = watched
    _, kept = train(
        data,
        tmp_path / "a",
        model=model,
        ema=0.6,
        epochs=2,
        on_step=lambda done, total: trail.append(_copy(model)),
    )
    expected = dict(trail[0])
    for number, weights in enumerate(trail[1:], start=1):
        decay = min(0.6, (1 + number) / (10 + number))
        for name, _ in model.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * weights[name]
    expected |= {name: trail[-1][name] for name, _ in model.named_buffers()}
    for name in expected:
        assert torch.allclose(kept[name], expected[name], atol=1e-6), name
        assert torch.equal(kept[name], seen[-1][name]), name
    assert not torch.allclose(kept["head.weight"], trail[-1]["head.weight"], atol=1e-4)


STAGES = [
    {"epochs": 1, "freeze": ["all_but_head"]},
    {"epochs": 2, "lr": 0.02, "schedule": "constant"},
    {"epochs": 1, "freeze": ["backbone"]},
]


@pytest.mark.parametrize(
    ("settings", "killed_after"),
    [
        ({"ema": 0.9}, 2),
        ({"accumulate": 3, "decay_norms": False}, 2),
        ({"epochs": None, "budget": {"steps": 10}}, 2),
        ({"epochs": None, "budget": {"images": 31}}, 1),
        ({"epochs": None, "stages": STAGES}, 1),
        ({"epochs": None, "stages": STAGES}, 2),
        ({"epochs": None, "stages": STAGES, "ema": 0.5}, 3),
        ({"amp": "bf16"}, 1),
        ({"schedule": "cosine_restarts", "channels_last": True}, 3),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
)
def test_every_word_survives_a_kill_to_the_bit(
    data: Layout,
    tmp_path: Path,
    train: Any,
    history: Any,
    same: Any,
    settings: dict[str, Any],
    killed_after: int,
) -> None:
    whole_history, whole = history(data, tmp_path / "whole", **settings)
    with pytest.raises(Killed):
        train(data, tmp_path / "killed", on_epoch=_killed_after(killed_after), **settings)
    told, resumed = history(data, tmp_path / "killed", **settings)
    assert same(whole, resumed)
    assert told == whole_history[killed_after - 1 :]


@pytest.mark.parametrize(
    ("budget", "steps", "images"),
    [({"steps": 6}, [4, 6], [14, 22]), ({"images": 20}, [4, 6], [14, 20])],
)
def test_a_budget_ends_within_an_epoch(
    data: Layout,
    tmp_path: Path,
    history: Any,
    train: Any,
    budget: dict[str, int],
    steps: list[int],
    images: list[int],
) -> None:
    settings = {"epochs": None, "budget": budget, "schedule": "linear", "val_every": 5}
    epochs, _ = history(data, tmp_path / "a", **settings)
    assert [epoch.optimizer_steps for epoch in epochs] == steps
    assert [epoch.images_seen for epoch in epochs] == images
    assert [epoch.epochs for epoch in epochs] == [2, 2]
    assert [bool(epoch.val_metrics) for epoch in epochs] == [False, True]
    assert epochs[-1].learning_rates["rest"] == pytest.approx(0.01 * 0.01)
    record, _ = train(data, tmp_path / "a", **settings)
    assert not record.stopped_early


def test_seconds_leave_validation_out(data: Layout, tmp_path: Path, train: Any, toy: Any) -> None:
    """Steps of 20 ms at least and validations of 200 ms: 0.2 s are 10 steps at most, and one under way."""
    model = toy()
    detect = model.detect

    def slow(batch: Any) -> Any:
        time.sleep(0.2)
        return detect(batch)

    model.detect = slow
    epochs: list[EpochRecord] = []
    record, _ = train(
        data,
        tmp_path / "a",
        model=model,
        scores=[0.1] * 20,
        on_step=lambda done, total: time.sleep(0.02),
        on_epoch=lambda epoch: bool(epochs.append(epoch)),
        epochs=None,
        budget={"seconds": 0.2},
        schedule="linear",
        warmup_epochs=0.0,
        workers=0,
    )
    assert 1 <= record.optimizer_steps <= 11
    assert record.training_s is not None and record.training_s >= 0.2
    assert record.duration_s >= record.training_s + 0.2 * record.epochs
    assert (epochs[-1].epochs, record.stopped_early) == (record.epochs, False)
    assert all(epoch.epochs > epoch.epoch for epoch in epochs[:-1])
    rates = [epoch.learning_rates["rest"] for epoch in epochs]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.5 * 0.01
    assert epochs[0].images_per_s == pytest.approx(record.images_seen / record.training_s, rel=0.9)


def test_what_is_frozen_rests_and_thaws_without_momentum(
    data: Layout, tmp_path: Path, train: Any, toy: Any
) -> None:
    import torch

    model = toy()
    after = [_copy(model)]
    stages = [
        {"epochs": 1},
        {"epochs": 1, "freeze": ["backbone"]},
        {"epochs": 1, "freeze": ["all_but_head"]},
        {"epochs": 1},
    ]

    def copy(epoch: EpochRecord) -> bool:
        after.append(_copy(model))
        return False

    train(data, tmp_path / "a", model=model, on_epoch=copy, epochs=None, stages=stages)
    everything = set(after[0])
    assert [_moved(*pair) for pair in zip(after, after[1:], strict=False)] == [  # noqa: RUF007
        everything,
        {"head.weight", "head.bias"},
        {"head.weight", "head.bias"},
        everything,
    ]
    assert all(parameter.requires_grad for parameter in model.parameters())
    state = torch.load(tmp_path / "a" / "state.pt", weights_only=True)["parts"]["optimizer"]
    steps = {
        group["name"]: [int(state["state"][number]["step"]) for number in group["params"]]
        for group in state["param_groups"]
    }
    assert set(steps["backbone"]) == {4}  # thawed in the last stage
    assert set(steps["rest"]) == {16}


def test_a_part_that_is_not_there_is_refused_before_anything_is_written(
    data: Layout, tmp_path: Path, train: Any
) -> None:
    with pytest.raises(RecipeError, match="its parts are backbone, all_but_head"):
        train(data, tmp_path / "a", epochs=None, stages=[{"epochs": 1, "freeze": ["encoder"]}])
    assert list((tmp_path / "a").iterdir()) == []


def test_half_precision_on_a_cpu_is_bfloat16_or_refused(
    data: Layout, tmp_path: Path, history: Any, train: Any
) -> None:
    import torch

    whole, _ = history(data, tmp_path / "no", epochs=1)
    half, weights = history(data, tmp_path / "bf16", epochs=1, amp="bf16")
    asked, _ = history(data, tmp_path / "true", epochs=1, amp=True)
    assert half == asked
    assert half[0].train_losses != whole[0].train_losses
    assert half[0].train_losses == pytest.approx(whole[0].train_losses, rel=0.02)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32, torch.int64}
    with pytest.raises(RecipeError, match=r"train\.amp"):
        train(data, tmp_path / "fp16", amp="fp16")


@pytest.mark.parametrize("setting", ["channels_last", "compile"])
def test_what_changes_speed_alone_changes_no_name_and_no_sense(
    data: Layout, tmp_path: Path, history: Any, setting: str
) -> None:
    plain, weights = history(data, tmp_path / "plain", epochs=1, multi_scale=0.0)
    quick, same_names = history(data, tmp_path / setting, epochs=1, multi_scale=0.0, **{setting: True})
    assert list(same_names) == list(weights)
    assert quick[0].train_losses == pytest.approx(plain[0].train_losses, rel=1e-3)


def test_the_weights_of_detr_s_losses_add_up_over_batches() -> None:
    """Its losses are means over boxes and over weighted queries, not over pictures."""
    import torch

    from bench import registry
    from bench.adapters.detr.model import make
    from bench.adapters.loop.accumulation import BatchWeights
    from bench.adapters.loop.trainable import Batch, Target
    from bench.recipe import Recipe

    plan = registry.family("detr").plan(variant="tiny", weights="none", options={}, recipe=Recipe())
    torch.manual_seed(0)
    model = make(plan, ("a", "b")).eval()  # without the batch's statistics
    targets = []
    for count in (3, 0, 1, 5):
        corner = 40 * torch.rand(count, 2)
        boxes = torch.cat([corner, corner + 5 + 30 * torch.rand(count, 2)], dim=1)
        targets.append(Target(boxes, torch.randint(2, (count,))))
    pixels = torch.randint(256, (4, 3, 96, 96), dtype=torch.uint8)

    def batch(*rows: int) -> Batch:
        sizes = ((96, 96),) * len(rows)
        return Batch(pixels[list(rows)], sizes, sizes, tuple(targets[row] for row in rows))

    def gradients(*group: Batch) -> list[torch.Tensor]:
        model.zero_grad()
        shares = BatchWeights(model, group)
        for number, one in enumerate(group):
            losses = model(one)
            torch.stack(
                [loss * shares.weight(number, name) for name, loss in losses.items()]
            ).sum().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    large = gradients(batch(0, 1, 2, 3))
    small = gradients(batch(0), batch(1, 2), batch(3))
    assert any(float(gradient.abs().max()) > 1e-3 for gradient in large)
    for one, other in zip(large, small, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("family", ["detr", "dino", "frcnn"])
def test_the_parts_of_a_network_are_those_that_its_plans_know(family: str) -> None:
    import torch

    from bench import registry
    from bench.adapters.frcnn import planning as frcnn
    from bench.adapters.loop.freezing import Freezing
    from bench.adapters.query import planning as query
    from bench.recipe import Recipe

    known = {"detr": query.PARTS, "dino": query.PARTS, "frcnn": frcnn.PARTS}[family]
    plan = registry.family(family).plan(variant="tiny", weights="none", options={}, recipe=Recipe())
    model: Any = registry.family(family).build(plan, classes=("a",), seed=0, device="cpu")
    network = model.trainable
    assert tuple(network.parts) == known
    freezing = Freezing(network)
    freezing.freeze({"all_but_head"})
    freezing.train_mode()
    head = [p for module in network.parts["head"] for p in module.parameters()]
    assert {id(p) for p in network.parameters() if p.requires_grad} == {id(p) for p in head}
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)
    assert network.training
