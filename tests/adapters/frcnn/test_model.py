from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.adapters.frcnn.family import FAMILY
from bench.adapters.frcnn.variants import COCO_V1_FILE, VARIANTS
from bench.detector import Detections, FitContext, Plan
from bench.errors import WeightsError
from bench.layout import Layout
from bench.recipe import InputSize, Recipe

pytestmark = pytest.mark.slow

STOCK = [name for name in VARIANTS if name != "tiny"]
MOBILE = "mobilenet_v3_large_320_fpn"


def planned(
    variant: str, weights: str = "none", options: dict[str, Any] | None = None, **own_settings: Any
) -> Plan:
    recipe = Recipe.model_validate({"epochs": 1, "batch_size": 4, "image_size": 96, **own_settings})
    return FAMILY.plan(variant=variant, weights=weights, options=options or {}, recipe=recipe)


def plain(variant: str, classes: int, **settings: Any) -> Any:
    """torchvision's own builder, with nothing fetched; `classes` without the background."""
    from torchvision.models import get_model

    return get_model(
        f"fasterrcnn_{variant}", weights=None, weights_backbone=None, num_classes=classes + 1, **settings
    )


def shapes(module: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def batch(sizes_wh: list[tuple[int, int]], boxes: list[list[list[float]]]) -> Any:
    """Noise of the given sizes; the labels are 0, 1, 0, 1 ..."""
    import torch

    from bench.adapters.loop.trainable import Batch, Target

    width, height = (max(side) for side in zip(*sizes_wh, strict=True))
    pixels = torch.randint(0, 256, (len(sizes_wh), 3, height, width), dtype=torch.uint8)
    targets = tuple(Target(torch.tensor(rows).reshape(-1, 4), torch.arange(len(rows)) % 2) for rows in boxes)
    return Batch(pixels, tuple(sizes_wh), tuple(sizes_wh), targets)


def lively(module: Any) -> Any:
    """Statistics of batch norm as if it had been trained, so that norm layers that lose them show."""
    import torch

    torch.manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(layer.running_var, 0.8, 1.2)
    return module


@pytest.fixture(scope="module")
def mobile_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state_dict saved by plain torchvision, for COCO's 90 classes."""
    import torch

    path = tmp_path_factory.mktemp("weights") / "mobile.pth"
    torch.manual_seed(0)
    network = lively(plain(MOBILE, 90))
    with torch.no_grad():  # far from ties, in which rounding would decide the order
        network.roi_heads.box_predictor.cls_score.weight *= 50
        network.rpn.head.cls_logits.weight *= 50
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was to be fetched")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)


@pytest.mark.parametrize("variant", STOCK)
def test_the_networks_are_torchvisions(variant: str) -> None:
    import torch

    from bench.adapters.frcnn.model import make

    with torch.device("meta"):
        ours, theirs = make(planned(variant), classes=7).network, plain(variant, 7)
    assert shapes(ours) == shapes(theirs)
    assert str(ours.rpn.anchor_generator.sizes) == str(theirs.rpn.anchor_generator.sizes)
    assert ours.rpn.anchor_generator.aspect_ratios == theirs.rpn.anchor_generator.aspect_ratios
    assert ours.rpn._pre_nms_top_n == theirs.rpn._pre_nms_top_n
    assert ours.rpn._post_nms_top_n == theirs.rpn._post_nms_top_n
    assert str(ours.rpn.head) == str(theirs.rpn.head)
    assert str(ours.backbone) == str(theirs.backbone)
    assert str(ours.roi_heads) == str(theirs.roi_heads)
    for part, own_settings in {
        "rpn": ("nms_thresh", "min_size"),
        "roi_heads": ("nms_thresh", "detections_per_img"),
    }.items():
        for setting in own_settings:
            assert getattr(getattr(ours, part), setting) == getattr(getattr(theirs, part), setting)
    for part in ("rpn", "roi_heads"):
        for sampler in ("proposal_matcher", "fg_bg_sampler"):
            assert vars(getattr(getattr(ours, part), sampler)) == vars(
                getattr(getattr(theirs, part), sampler)
            )
    assert (ours.rpn.score_thresh, ours.roi_heads.score_thresh) == (0.0, 0.001)  # mAP needs the tail


@pytest.mark.parametrize("variant", STOCK)
def test_weights_freeze_what_torchvision_freezes(variant: str) -> None:
    """Norm layers and lower stages, as in its builders when they are given weights."""
    import torch
    from torchvision.models import get_model_weights
    from torchvision.ops import FrozenBatchNorm2d

    from bench.adapters.frcnn.model import make

    made = planned(variant)
    weighted = Plan(
        family="frcnn",
        variant=variant,
        weights="somewhere.pth",
        options={
            **made.options,
            "trainable_layers": 3,
            "norm": "batch" if variant == "resnet50_fpn_v2" else "frozen",
        },
        recipe=made.recipe,
    )
    with torch.device("meta"):
        ours = make(weighted, classes=90).network
        theirs = pretended(variant, get_model_weights(f"fasterrcnn_{variant}").DEFAULT)
    assert {n for n, p in ours.named_parameters() if p.requires_grad} == {
        n for n, p in theirs.named_parameters() if p.requires_grad
    }
    assert {n for n, m in ours.named_modules() if isinstance(m, FrozenBatchNorm2d)} == {
        n for n, m in theirs.named_modules() if isinstance(m, FrozenBatchNorm2d)
    }


def pretended(variant: str, weights: Any) -> Any:
    """torchvision's builder as it builds for published weights, without them."""
    from unittest.mock import patch

    import torch
    from torchvision.models import get_model

    with (
        patch.object(type(weights), "get_state_dict", lambda self, **kwargs: {}),
        patch.object(torch.nn.Module, "load_state_dict", lambda self, state: None),
    ):
        return get_model(f"fasterrcnn_{variant}", weights=weights)


def test_the_first_published_file_brings_its_epsilon() -> None:
    import torch
    from torchvision.ops import FrozenBatchNorm2d

    from bench.adapters.frcnn.model import make

    made = planned("resnet50_fpn")
    for file, epsilon in ((COCO_V1_FILE, 0.0), ("another.pth", 1e-5)):
        options = {**made.options, "trainable_layers": 3, "norm": "frozen"}
        weighted = Plan("frcnn", "resnet50_fpn", f"/somewhere/{file}", options, made.recipe)
        with torch.device("meta"):
            network = make(weighted, classes=2).network
        found = {m.eps for m in network.modules() if isinstance(m, FrozenBatchNorm2d)}
        assert found == {epsilon}


def test_a_plain_state_dict_gives_the_same_detections_and_goes_back(
    mobile_file: Path, tmp_path: Path
) -> None:
    import safetensors.torch
    import torch

    made = planned(MOBILE, str(mobile_file))
    detector: Any = FAMILY.build(made, classes=[f"c{i}" for i in range(90)], seed=0, device="cpu")
    image = batch([(96, 64)], [[]])
    detector.trainable.eval()
    detector.save(tmp_path / "saved")
    # The short side that keeps the picture as it is, and no thresholds, make the plain one comparable.
    theirs = plain(MOBILE, 90, box_score_thresh=0.001, rpn_score_thresh=0.0, min_size=64, max_size=96).eval()
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "saved" / "model.safetensors"))
    with torch.inference_mode():
        (found,) = detector.trainable.detect(image)
        (expected,) = theirs(image.images())
    assert len(expected["boxes"]) == 100
    torch.testing.assert_close(found.boxes_xyxy, expected["boxes"], rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found.scores, expected["scores"], rtol=1e-3, atol=1e-4)
    assert torch.equal(found.labels + 1, expected["labels"])
    assert detector.describe().weights_sha256
    assert "frozen" in detector.describe().normalisation


def test_only_the_class_head_is_new_where_the_classes_differ(mobile_file: Path) -> None:
    import torch

    detector: Any = FAMILY.build(planned(MOBILE, str(mobile_file)), classes=["a", "b"], seed=0, device="cpu")
    old = torch.load(mobile_file, weights_only=True)
    state = detector.trainable.state_dict()
    head = {name for name in state if name.startswith("roi_heads.box_predictor.")}
    assert {tuple(state[name].shape) for name in head} == {(3, 1024), (3,), (12, 1024), (12,)}
    assert all(torch.equal(state[name], old[name]) for name in set(state) - head)


def test_weights_that_do_not_fit_are_named_while_planning(mobile_file: Path, tmp_path: Path) -> None:
    import torch

    with pytest.raises(WeightsError, match=r"backbone\.body\.conv1\.weight is missing") as caught:
        planned("resnet50_fpn", str(mobile_file))
    assert str(mobile_file) in str(caught.value)
    state = torch.load(mobile_file, weights_only=True)
    name = "roi_heads.box_head.fc7.weight"
    torch.save({**state, name: state[name][:7]}, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=rf"{name} has shape \(7, 1024\), not \(1024, 1024\)"):
        planned(MOBILE, str(tmp_path / "odd.pth"))
    (tmp_path / "cut.pth").write_bytes(mobile_file.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match="damaged"):
        planned(MOBILE, str(tmp_path / "cut.pth"))


def test_val_losses_leave_the_network_as_it_was() -> None:
    import torch

    detector: Any = FAMILY.build(planned("tiny"), classes=["a", "b"], seed=0, device="cpu")
    trainable = detector.trainable.eval()
    images = batch([(96, 70), (64, 96)], [[[10.0, 10, 40, 50], [5, 5, 20, 20]], []])
    before = {name: tensor.clone() for name, tensor in trainable.state_dict().items()}
    with torch.no_grad():
        losses = trainable(images)
    assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
    assert all(loss.ndim == 0 and torch.isfinite(loss) and loss > 0 for loss in losses.values())
    assert all(torch.equal(before[name], tensor) for name, tensor in trainable.state_dict().items())
    assert not any(module.training for module in trainable.modules())
    trainable.train()
    trainable(images)
    assert any(not torch.equal(before[name], tensor) for name, tensor in trainable.state_dict().items())


def test_pictures_without_objects_are_trained_on() -> None:
    import torch

    detector: Any = FAMILY.build(planned("tiny"), classes=["a"], seed=0, device="cpu")
    losses = detector.trainable.train()(batch([(96, 96), (40, 96)], [[], []]))
    sum(losses.values()).backward()
    assert losses["loss_classifier"] > 0
    assert losses["loss_box_reg"] == 0
    assert all(torch.isfinite(p.grad).all() for p in detector.trainable.parameters() if p.grad is not None)


def test_options_reach_the_network() -> None:
    from bench.adapters.frcnn.model import make

    options = {
        "box_nms": 0.6,
        "anchor_sizes": [10, 20],
        "anchor_ratios": [1.0],
        "proposals": 33,
        "train_proposals": 44,
        "box_samples": 55,
        "rpn_samples": 66,
    }
    network = make(planned("tiny", options=options), classes=2).network
    assert network.roi_heads.nms_thresh == 0.6
    assert network.rpn.anchor_generator.sizes == ((10, 20),)
    assert network.rpn.anchor_generator.num_anchors_per_location() == [2]
    assert network.rpn._post_nms_top_n == {"training": 44, "testing": 33}
    assert network.roi_heads.fg_bg_sampler.batch_size_per_image == 55
    assert network.rpn.fg_bg_sampler.batch_size_per_image == 66


def test_the_seed_decides_the_random_weights() -> None:
    import torch

    first, again, other = (
        FAMILY.build(planned("tiny"), classes=["a"], seed=seed, device="cpu").trainable.state_dict()  # type: ignore[attr-defined]
        for seed in (5, 5, 6)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_tiny_learns_and_finds_in_pixels_of_the_original(yolo_scenes: Layout, tmp_path: Path) -> None:
    """The pictures have odd sizes from 60 to 100 pixels, the network sees them at 128."""
    made = planned("tiny", epochs=40, batch_size=8, image_size=128, val_every=10)
    detector = FAMILY.build(made, classes=yolo_scenes.classes, seed=0, device="cpu")
    recalls: list[float] = []

    def judge(found: Any) -> dict[str, float]:
        recalls.append(recall(yolo_scenes, "val", found))
        return {"AP": recalls[-1], "AP50": recalls[-1]}

    context = FitContext(tmp_path, seed=0, device="cpu", score_val=judge, on_epoch=lambda record: False)
    detector.fit(yolo_scenes, made.recipe, context)
    paths = [example.path for example in yolo_scenes.examples("test")]
    found = list(detector.predict(paths, batch_size=4))
    assert recall(yolo_scenes, "test", found) >= 0.7, recalls
    detector.save(tmp_path / "saved")
    again = list(FAMILY.load(tmp_path / "saved", device="cpu").predict(paths, batch_size=4))
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
        np.testing.assert_array_equal(one.scores, other.scores)
    # A folder that a detector was saved to is a start for the next.
    resumed = planned("tiny", str(tmp_path / "saved"), image_size=128)
    assert FAMILY.build(resumed, classes=yolo_scenes.classes, seed=0, device="cpu").describe().weights_sha256


def recall(layout: Layout, split: Any, found: list[Detections]) -> float:
    """Share of the boxes that one of the three best detections of their picture meets: IoU 0.5 and class."""
    hits = []
    for example, detections in zip(layout.examples(split), found, strict=True):
        for box, label in zip(example.boxes_xyxy, example.labels, strict=True):
            corner = np.minimum(box[2:], detections.boxes_xyxy[:3, 2:])
            inner = np.clip(corner - np.maximum(box[:2], detections.boxes_xyxy[:3, :2]), 0, None).prod(axis=1)
            areas = (detections.boxes_xyxy[:3, 2:] - detections.boxes_xyxy[:3, :2]).prod(axis=1)
            iou = inner / (areas + (box[2:] - box[:2]).prod() - inner)
            hits.append(bool(((iou >= 0.5) & (detections.labels[:3] == label)).any()))
    return float(np.mean(hits))


def test_every_option_reaches_torchvision() -> None:
    from bench.adapters.frcnn.model import make

    own_settings = {
        "box_nms": 0.4,
        "box_score": 0.02,
        "rpn_nms": 0.6,
        "rpn_score": 0.01,
        "proposals": 30,
        "proposals_before_nms": 60,
        "train_proposals": 20,
        "train_proposals_before_nms": 40,
        "box_samples": 12,
        "box_positives": 0.5,
        "rpn_samples": 24,
        "rpn_positives": 0.25,
    }
    made = make(planned("tiny", options={**own_settings, "augment": "paper"}), classes=2)
    rpn, heads = made.network.rpn, made.network.roi_heads
    assert (heads.nms_thresh, heads.score_thresh, rpn.nms_thresh, rpn.score_thresh) == (0.4, 0.02, 0.6, 0.01)
    assert rpn._pre_nms_top_n == {"testing": 60, "training": 40}
    assert rpn._post_nms_top_n == {"testing": 30, "training": 20}
    sampler = heads.fg_bg_sampler
    assert (sampler.batch_size_per_image, sampler.positive_fraction) == (12, 0.5)
    sampler = rpn.fg_bg_sampler
    assert (sampler.batch_size_per_image, sampler.positive_fraction) == (24, 0.25)
    assert made.augment == "paper"


@pytest.mark.parametrize(("variant", "levels"), [("resnet50_fpn_v2", 5), (MOBILE, 3), ("tiny", 1)])
def test_anchors_may_be_given_by_width_and_height(variant: str, levels: int) -> None:
    """Of a pyramid of ResNet each level has its own; MobileNet's levels share all."""
    import torch

    from bench.adapters.frcnn.model import make

    shapes = [[4.0 + side, 6.0 + 2 * side] for side in range(10)]
    made = planned(variant, options={"anchors": shapes})
    network = make(made, classes=2).network
    cells = network.rpn.anchor_generator.cell_anchors
    assert len(cells) == levels
    found = [(cell[:, 2:] - cell[:, :2]).tolist() for cell in cells]
    assert found == ([shapes[at : at + 2] for at in range(0, 10, 2)] if levels == 5 else [shapes] * levels)
    assert all((cell[:, :2] == -cell[:, 2:]).all() for cell in cells)
    per_place = 2 if levels == 5 else 10
    assert network.rpn.head.cls_logits.out_channels == per_place
    network.eval()
    with torch.inference_mode():
        network(torch.rand(1, 3, 64, 64))


def test_a_backbones_norm_can_be_chosen(mobile_file: Path) -> None:
    from torchvision.ops import FrozenBatchNorm2d

    for norm, frozen in (("batch", False), ("frozen", True), (None, True)):
        options = {"norm": norm} if norm else {}
        detector: Any = FAMILY.build(
            planned(MOBILE, str(mobile_file), options), classes=["a"], seed=0, device="cpu"
        )
        layers = {type(module) for module in detector.trainable.backbone.modules()}
        assert (FrozenBatchNorm2d in layers) == frozen
        assert detector.describe().normalisation.startswith("frozen") == frozen


def test_too_few_boxes_to_fit_anchors_to_leave_the_usual_ones(yolo_scenes: Layout) -> None:
    from bench.adapters.frcnn.model import make

    made = make(planned("tiny", options={"anchors": "fit"}), classes=2)
    before = made.network.rpn.anchor_generator.cell_anchors[0].clone()
    met = made.adapt_to_data(yolo_scenes.examples("train")[:2], InputSize(96, 96))
    (note,) = met.notes
    assert not met.options
    assert "fewer than the 9 anchors" in note.why
    assert (made.network.rpn.anchor_generator.cell_anchors[0] == before).all()


def test_fitted_anchors_are_kept_with_the_detector(yolo_scenes: Layout, tmp_path: Path) -> None:
    import torch

    made = planned("tiny", options={"anchors": "fit", "anchor_ratios": [0.7, 1.4], "anchor_sizes": [16, 32]})
    records = []
    for number in range(2):
        detector: Any = FAMILY.build(made, classes=["brick", "leaf"], seed=0, device="cpu")
        context = FitContext(
            tmp_path / f"work {number}",
            seed=0,
            device="cpu",
            score_val=lambda found: {"AP": 0.1, "AP50": 0.2},
            on_epoch=lambda record: False,
        )
        context.workdir.mkdir()
        records.append(detector.fit(yolo_scenes, made.recipe, context))
    assert records[0].notes == records[1].notes
    (note,) = records[0].notes
    assert (note.setting, note.asked) == ("anchors", "fit")
    assert len(note.used.split(", ")) == 4
    before, after = (float(part.split()[-1]) for part in reversed(note.why.split(": ")[1].split(", ")))
    assert before < after <= 1
    detector.save(tmp_path / "saved")
    again: Any = FAMILY.load(tmp_path / "saved", device="cpu")
    shapes = again.info.plan.options["anchors"]
    assert ", ".join(f"{width:g}x{height:g}" for width, height in shapes) == note.used
    ours, theirs = (one.trainable.network.rpn.anchor_generator.cell_anchors for one in (detector, again))
    assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))
    assert planned("tiny", str(tmp_path / "saved")).options["anchors"] == shapes
    others = {"anchor_ratios": [0.5, 2], "anchor_sizes": [9, 20]}
    assert planned("tiny", str(tmp_path / "saved"), others).options["anchors"] == "sizes"
    with pytest.raises(WeightsError, match=r"rpn\.head\.cls_logits\.weight has shape \(4,"):
        planned("tiny", str(tmp_path / "saved"), {"anchor_ratios": [0.5, 1, 2]})
    images = [example.path for example in yolo_scenes.examples("test")]
    for mine, other in zip(detector.predict(images), again.predict(images), strict=True):
        np.testing.assert_array_equal(mine.boxes_xyxy, other.boxes_xyxy)
