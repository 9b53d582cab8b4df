"""The switch in the networks themselves: its size where training begins, its record, echo and checkpoints."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import registry
from bench.detector import Detections, FitContext, Plan
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import TrainingRecord

pytestmark = pytest.mark.slow

SIDE = 96
RARE = 4
"""Boxes of the second class that are left in train."""

WORDS: dict[str, dict[str, Any]] = {
    "weighted": {"classification": "weighted"},
    "focal": {"classification": "focal"},
    "weighted_focal": {"classification": "weighted_focal", "focal_alpha": 0.25},
    "smoothed": {"label_smoothing": 0.1},
}
HEADS = [("detr", {}), ("detr", {"focal": "sigmoid"}), ("frcnn", {})]
SWITCHED = [
    pytest.param(family, options, settings, id="-".join([family, *options.values(), name]))
    for family, options in HEADS
    for name, settings in WORDS.items()
    if not options or "focal" in settings.get("classification", "")
]


@pytest.fixture(scope="module")
def skewed(yolo_scenes: Layout, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The scenes with the name of the first class on nearly all boxes of train."""
    root = tmp_path_factory.mktemp("skewed")
    for name in ("images", "manifest.json"):
        (root / name).symlink_to(yolo_scenes.root / name)
    (root / "annotations").mkdir()
    for path in (yolo_scenes.root / "annotations").iterdir():
        coco = json.loads(path.read_text())
        second = [one for one in coco["annotations"] if one["category_id"] == 2]
        for one in second[RARE:] if path.stem == "train" else []:
            one["category_id"] = 1
        (root / "annotations" / path.name).write_text(json.dumps(coco))
    return Layout.open(root)


def planned(family: str, options: dict[str, Any], loss: dict[str, Any], **settings: Any) -> Plan:
    given = {"epochs": 1, "batch_size": 8, "image_size": SIDE, "flip": 0.0, **settings}
    recipe = Recipe.model_validate({**given, "loss": loss})
    return registry.family(family).plan(variant="tiny", weights="none", options=options, recipe=recipe)


def built(plan: Plan, layout: Layout) -> Any:
    return registry.family(plan.family).build(plan, classes=layout.classes, seed=0, device="cpu")


def weighed(plan: Plan, layout: Layout) -> Any:
    """The network as its training finds it."""
    network = built(plan, layout).trainable
    settings = plan.recipe.loss
    if settings.changes_classification:
        network.set_class_loss(settings, layout.class_counts("train"), len(layout.examples("train")))
    return network


def batches(plan: Plan, layout: Layout) -> Iterator[Any]:
    from bench.adapters.loop import feed

    return iter(feed.training(layout.examples("train"), plan.recipe, 0, "cpu")[0])


def class_loss(plan: Plan, layout: Layout) -> float:
    """Mean of the class loss over train, before anything is learnt."""
    import torch

    network = weighed(plan, layout)
    name = "class" if plan.family == "detr" else "loss_classifier"
    torch.manual_seed(0)
    with torch.no_grad():
        found = [float(network.train()(batch)[name]) for batch in batches(plan, layout)]
    return sum(found) / len(found)


@pytest.mark.parametrize(("family", "options", "settings"), SWITCHED)
def test_training_begins_with_as_large_a_class_loss_as_without(
    family: str, options: dict[str, Any], settings: dict[str, Any], skewed: Layout
) -> None:
    counts = skewed.class_counts("train")
    assert counts["leaf"] == RARE and counts["brick"] > 4 * RARE
    standard = class_loss(planned(family, {}, {}), skewed)
    weighted = class_loss(planned(family, options, settings), skewed)
    # A drawn head is not quite even, and where it is sure of the wrong class the focus stays on it.
    assert weighted == pytest.approx(standard, rel=0.3)


@pytest.mark.parametrize("family", ["detr", "frcnn"])
def test_a_focus_of_nothing_is_the_frameworks_own_loss(family: str, skewed: Layout) -> None:
    """All components, and all gradients."""
    import torch

    losses, gradients = [], []
    for settings in ({}, {"classification": "focal", "focal_gamma": 0, "focal_alpha": 0.5}):
        plan = planned(family, {}, settings)
        network = weighed(plan, skewed)
        torch.manual_seed(0)
        found = network.train()(next(batches(plan, skewed)))
        torch.stack(list(found.values())).sum().backward()
        losses.append({name: loss.item() for name, loss in found.items()})
        gradients.append({name: one.grad for name, one in network.named_parameters() if one.grad is not None})
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert gradients[0].keys() == gradients[1].keys()
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, rtol=1e-3, atol=1e-5)


def test_coefficients_weigh_faster_rcnns_losses(skewed: Layout) -> None:
    plan = planned("frcnn", {}, {"class_coefficient": 2.0, "l1_coefficient": 0.0})
    network = built(plan, skewed).trainable
    assert network.loss_weights == {"loss_classifier": 2.0, "loss_box_reg": 0.0}
    assert network.loss_weights.keys() <= network.train()(next(batches(plan, skewed))).keys()
    assert built(planned("frcnn", {}, {}), skewed).trainable.loss_weights == {
        "loss_classifier": 1.0,
        "loss_box_reg": 1.0,
    }


def test_faster_rcnns_background_weight_alone_changes_its_class_loss(skewed: Layout) -> None:
    import torch

    found = []
    for weight in (1.0, 0.0):
        plan = planned("frcnn", {}, {"background_weight": weight})
        torch.manual_seed(0)
        found.append(weighed(plan, skewed).train()(next(batches(plan, skewed))))
    assert found[0]["loss_classifier"].item() != pytest.approx(found[1]["loss_classifier"].item(), rel=1e-3)
    assert found[0]["loss_box_reg"].item() == pytest.approx(found[1]["loss_box_reg"].item())


def test_faster_rcnns_background_is_its_first_class(skewed: Layout) -> None:
    """A picture without objects has nothing else; with a weight of 0 there is nothing to learn from it."""
    import torch

    from bench.adapters.loop.trainable import Batch, Target

    nothing = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    size = (SIDE, SIDE)
    empty = Batch(torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8), (size,), (size,), (nothing,))
    for weight, silent in ((0.0, True), (0.5, False)):
        network = weighed(planned("frcnn", {}, {"background_weight": weight}), skewed)
        assert (network.train()(empty)["loss_classifier"].item() == 0) == silent


def test_detrs_background_weight_alone_stays_transformers_own(skewed: Layout) -> None:
    plan = planned("detr", {}, {"background_weight": 0.3})
    network = built(plan, skewed).trainable
    assert network.set_class_loss(plan.recipe.loss, skewed.class_counts("train"), 24) is None
    assert network._criterion.class_loss is None and network._criterion.no_object_weight == 0.3


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({}, {}),
        ({}, WORDS["weighted_focal"]),
        ({}, {**WORDS["weighted_focal"], "normalise": False}),
        ({"focal": "sigmoid"}, WORDS["weighted_focal"]),
    ],
)
def test_small_batches_of_detr_add_up_to_a_large_one(
    options: dict[str, Any], settings: dict[str, Any], skewed: Layout
) -> None:
    import torch

    from bench.adapters.loop.accumulation import BatchWeights
    from bench.adapters.loop.trainable import Batch, Target

    network = weighed(planned("detr", options, settings), skewed).eval()
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8, generator=random)
    corner = 30 * torch.rand(5, 3, 2, generator=random)
    boxes = torch.cat([corner, corner + 20], dim=2)
    labels = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]])
    counts = (1, 3, 2, 1, 1)

    def part(rows: slice) -> Batch:
        there = range(5)[rows]
        targets = tuple(Target(boxes[row, : counts[row]], labels[row, : counts[row]]) for row in there)
        return Batch(pixels[rows], ((64, 64),) * len(there), ((64, 64),) * len(there), targets)

    group = [part(slice(0, 3)), part(slice(3, 5))]
    shares = BatchWeights(network, group)
    with torch.no_grad():
        whole = network(part(slice(0, 5)))
        halves = [network(batch) for batch in group]
    for name, loss in whole.items():
        added = sum(float(half[name]) * shares.weight(number, name) for number, half in enumerate(halves))
        assert added == pytest.approx(float(loss), rel=1e-5), name


@pytest.mark.parametrize(("family", "options"), [("detr", {}), ("detr", {"focal": "sigmoid"}), ("frcnn", {})])
def test_the_gates_echo_passes(family: str, options: dict[str, Any], tmp_path: Path) -> None:
    from bench.gates.before import Candidate, GateInputs, gate_checks
    from bench.gates.gate import run_gate

    plan = planned(family, options, WORDS["weighted_focal"])
    classes = ("brick", "leaf", "sky")
    detector = registry.family(family).build(plan, classes=classes, seed=0, device="cpu")
    counts = {"brick": 9, "leaf": 3, "sky": 1}
    assert detector.trainable.set_class_loss(plan.recipe.loss, counts, 5) is not None  # type: ignore[attr-defined]
    candidate = Candidate(registry.family(family), plan, classes, 0, "cpu")
    inputs = GateInputs.create(candidate, tmp_path)
    checks = gate_checks(candidate, detector, inputs)
    for name in ("boxes", "classes"):
        result = run_gate(name, checks[name])
        assert result.passed and not result.flagged, result.detail
    echoes = detector.round_trip(inputs.examples)  # type: ignore[attr-defined]
    scores = np.concatenate([found.scores for found in echoes])
    assert ((scores > 0.999) | (scores < 1e-3)).all() and (scores > 0.999).any()


def trained(plan: Plan, layout: Layout, tmp_path: Path) -> tuple[Any, TrainingRecord]:
    detector = built(plan, layout)
    (tmp_path / "work").mkdir()
    context = FitContext(
        tmp_path / "work", 0, "cpu", lambda found: {"AP": 0.5, "AP50": 0.5}, lambda record: False
    )
    record = detector.fit(layout, plan.recipe, context)
    detector.save(tmp_path / "best")
    return detector, record


def found_by(detector: Any, layout: Layout) -> list[Detections]:
    return list(detector.predict([example.path for example in layout.examples("test")]))


@pytest.mark.parametrize(("family", "options"), HEADS)
def test_a_checkpoint_knows_nothing_of_the_switch(
    family: str, options: dict[str, Any], skewed: Layout, tmp_path: Path
) -> None:
    detector, record = trained(planned(family, options, WORDS["weighted_focal"]), skewed, tmp_path)
    assert record.loss is not None
    assert record.loss.train_counts == skewed.class_counts("train")
    assert record.loss.class_weights["leaf"] > 4 * record.loss.class_weights["brick"]
    loaded = registry.family(family).load(tmp_path / "best", device="cpu")
    if family == "frcnn":
        assert type(loaded.trainable.network.roi_heads).__name__ == "RoIHeads"  # type: ignore[attr-defined]
    else:
        assert loaded.trainable._criterion.class_loss is None  # type: ignore[attr-defined]
    for mine, again in zip(found_by(detector, skewed), found_by(loaded, skewed), strict=True):
        assert mine.scores.tolist() == again.scores.tolist()
        assert mine.labels.tolist() == again.labels.tolist()
    plain = built(planned(family, {}, {}), skewed)
    assert loaded.trainable.state_dict().keys() == plain.trainable.state_dict().keys()  # type: ignore[attr-defined]


@pytest.mark.parametrize("options", [{}, {"focal": "sigmoid"}])
def test_plain_transformers_loads_a_switched_detr(
    options: dict[str, Any], skewed: Layout, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import DetrConfig, DetrForObjectDetection

    detector, _ = trained(planned("detr", options, WORDS["weighted_focal"]), skewed, tmp_path)
    plain = DetrForObjectDetection(DetrConfig.from_pretrained(tmp_path / "best")).eval()
    plain.load_state_dict(load_file(tmp_path / "best" / "model.safetensors"))
    network = detector.trainable.eval()
    pixels, mask = network.inputs(next(batches(detector.info.plan, skewed)))
    with torch.no_grad():
        ours, theirs = (one(pixel_values=pixels, pixel_mask=mask) for one in (network.detr, plain))
    torch.testing.assert_close(ours.logits, theirs.logits)


def test_plain_torchvision_loads_a_switched_faster_rcnn(skewed: Layout, tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from torchvision.models import get_model

    recipe = Recipe.model_validate({"epochs": 1, "image_size": SIDE, "loss": WORDS["weighted_focal"]})
    name = "mobilenet_v3_large_320_fpn"
    plan = registry.family("frcnn").plan(variant=name, weights="none", options={}, recipe=recipe)
    detector = built(plan, skewed)
    detector.trainable.set_class_loss(
        recipe.loss, skewed.class_counts("train"), len(skewed.examples("train"))
    )
    assert type(detector.trainable.network.roi_heads).__name__ == "WeightedRoIHeads"
    detector.save(tmp_path / "best")
    plain = get_model(
        f"fasterrcnn_{name}", weights=None, weights_backbone=None, num_classes=len(skewed.classes) + 1
    )
    plain.load_state_dict(load_file(tmp_path / "best" / "model.safetensors"))


def test_the_standard_loss_leaves_no_record_of_one(skewed: Layout, tmp_path: Path) -> None:
    detector, record = trained(planned("frcnn", {}, {}), skewed, tmp_path)
    assert record.loss is None
    assert type(detector.trainable.network.roi_heads).__name__ == "RoIHeads"


def test_weights_of_a_sigmoid_head_are_scored_by_sigmoids(skewed: Layout, tmp_path: Path) -> None:
    """Judged as they come they keep their head; a training under a softmax begins with a new one."""
    import torch

    detector, _ = trained(planned("detr", {"focal": "sigmoid"}, WORDS["focal"]), skewed, tmp_path)
    network = detector.trainable.eval()
    batch = next(batches(detector.info.plan, skewed))
    with torch.no_grad():
        out = network.detr(*network.inputs(batch))
        scores = torch.stack([found.scores for found in network.detect(batch)])
    torch.testing.assert_close(scores, out.logits[..., :2].sigmoid().amax(-1))

    family, folder = registry.family("detr"), str(tmp_path / "best")
    as_come = family.plan(variant=None, weights=folder, options={}, recipe=Recipe(epochs=0, image_size=SIDE))
    assert as_come.options["focal"] == "sigmoid"
    again = family.build(as_come, classes=skewed.classes, seed=0, device="cpu")
    for mine, other in zip(found_by(detector, skewed), found_by(again, skewed), strict=True):
        assert mine.scores == pytest.approx(other.scores, abs=1e-5)

    head = network.detr.class_labels_classifier.weight
    for loss, options, kept in (({}, {}, False), (WORDS["focal"], {"focal": "sigmoid"}, True)):
        recipe = Recipe.model_validate({"epochs": 1, "image_size": SIDE, "loss": loss})
        plan = family.plan(variant=None, weights=folder, options=options, recipe=recipe)
        assert plan.options["focal"] == options.get("focal", "softmax")
        assert plan.options["no_object_weight"] == (1.0 if kept else 0.1)
        start: Any = family.build(plan, classes=skewed.classes, seed=1, device="cpu")
        same = torch.equal(start.trainable.detr.class_labels_classifier.weight, head)
        assert same == kept
