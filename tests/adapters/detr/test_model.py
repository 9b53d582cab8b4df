"""The network against its references: transformers' own loss and post-processing, torchvision's ResNets."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from bench.adapters.detr.family import FAMILY
from bench.adapters.detr.options import DetrOptions, resnet
from bench.detector import Detector, FitContext, Plan
from bench.errors import RecipeError, WeightsError
from bench.layout import Example, Layout
from bench.recipe import InputSize, Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from bench.adapters.detr.model import Detr
    from bench.adapters.loop.trainable import Batch

pytestmark = pytest.mark.slow

CLASSES = ("cat", "dog", "bird")
SMALL: dict[str, Any] = {
    "width": 32,
    "heads": 4,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "feedforward": 48,
    "queries": 9,
}


def _plan(**settings: Any) -> Plan:
    return FAMILY.plan(
        variant=settings.pop("variant", "tiny"),
        weights=settings.pop("weights", "none"),
        options=settings,
        recipe=Recipe(epochs=1, image_size=64),
    )


def _detector(classes: Sequence[str] = CLASSES, seed: int = 0, **settings: Any) -> Detector:
    return FAMILY.build(_plan(**settings), classes=classes, seed=seed, device="cpu")


def _network(detector: Detector) -> "Detr":
    network: Detr = detector.trainable  # type: ignore[attr-defined]
    return network


def _batch() -> "Batch":
    """Two pictures, 60 x 40 and 48 x 64, the second without objects."""
    import torch

    from bench.adapters.loop.feed import LoadedImage, collate
    from bench.adapters.loop.trainable import Target

    random = np.random.default_rng(0)
    boxes = torch.tensor([[3.0, 5.0, 33.0, 35.0], [10.0, 1.0, 20.0, 39.0]])
    targets = [
        Target(boxes, torch.tensor([2, 0])),
        Target(torch.zeros((0, 4)), torch.zeros(0, dtype=torch.int64)),
    ]
    return collate(
        [
            LoadedImage(random.integers(0, 256, (height, width, 3), dtype=np.uint8), (width, height), target)
            for (width, height), target in zip(((60, 40), (48, 64)), targets, strict=True)
        ]
    )


def _plain_losses(network: Any, **costs: int) -> dict[str, float]:
    """What transformers' own DETR, with its own loss, says of `_batch`."""
    import torch
    from transformers import DetrForObjectDetection

    from bench.adapters.query.quiet import silenced

    with silenced():
        plain = DetrForObjectDetection(network.detr.config).eval()
    plain.model.backbone = network.eval().detr.model.backbone  # its norms may be trained ones
    plain.load_state_dict(network.detr.state_dict())
    for setting, cost in costs.items():
        setattr(plain.config, setting, cost)
    with torch.no_grad():
        pixels, mask = network.inputs(_batch())
        labels = [
            {
                "class_labels": torch.tensor([2, 0]),
                "boxes": torch.tensor(
                    [[18 / 60, 20 / 40, 30 / 60, 30 / 40], [15 / 60, 20 / 40, 10 / 60, 38 / 40]]
                ),
            },
            {"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros((0, 4))},
        ]
        theirs = plain(pixel_values=pixels, pixel_mask=mask, labels=labels)
    losses = {name: float(loss) for name, loss in theirs.loss_dict.items()}
    return {**losses, "total": float(theirs.loss)}


def _own_losses(network: Any) -> dict[str, float]:
    import torch

    with torch.no_grad():
        return {name: float(loss) for name, loss in network.eval()(_batch()).items()}


def test_the_loss_is_that_of_transformers() -> None:
    network = _network(_detector(**SMALL))
    ours = _own_losses(network)
    assert set(ours) == {"class", "box", "giou"}
    total = sum(network.loss_weights[name] * loss for name, loss in ours.items())
    assert total == pytest.approx(_plain_losses(network)["total"], rel=1e-5)


def test_without_auxiliary_losses_the_last_layer_alone_counts() -> None:
    network = _network(_detector(**SMALL, auxiliary_loss=False))
    theirs = _plain_losses(network)
    assert not any(name.endswith("_0") for name in theirs)
    expected = {"class": "loss_ce", "box": "loss_bbox", "giou": "loss_giou"}
    assert _own_losses(network) == pytest.approx(
        {own: theirs[name] for own, name in expected.items()}, rel=1e-5
    )


def test_costs_and_weights_may_be_any_number() -> None:
    """Ten times a tenth is a whole: transformers can then say the same."""
    tenths = {"class_cost": 0.2, "box_cost": 0.1, "giou_cost": 0.3}
    weights = {"class_loss": 0.5, "box_loss": 2.5, "giou_loss": 0.0}
    network = _network(_detector(**SMALL, **tenths, **weights))
    assert network.loss_weights == {"class": 0.5, "box": 2.5, "giou": 0.0}
    theirs = _plain_losses(network, class_cost=2, bbox_cost=1, giou_cost=3)
    ours = _own_losses(network)
    for own, name in (("class", "loss_ce"), ("box", "loss_bbox"), ("giou", "loss_giou")):
        layers = sum(loss for key, loss in theirs.items() if key.startswith(name))
        assert ours[own] == pytest.approx(layers, rel=1e-5)


def test_costs_decide_which_query_an_object_gets() -> None:
    import torch

    from bench.adapters.detr.loss import Criterion

    logits = torch.tensor([[[9.0, 0, 0], [0, 9.0, 0]]])  # the first query is sure of class 0
    boxes = torch.tensor([[[0.2, 0.2, 0.1, 0.1], [0.7, 0.7, 0.2, 0.2]]])  # the second lies on the object
    labels = [{"class_labels": torch.tensor([0]), "boxes": torch.tensor([[0.7, 0.7, 0.2, 0.2]])}]
    config = type("Config", (), {"num_labels": 2})()
    for costs, apart in (((0.5, 0.001, 0.0), True), ((0.001, 0.5, 0.0), False), ((0.0, 0.0, 0.5), False)):
        _, losses, _ = Criterion(*costs, no_object_weight=0.1)(
            logits, labels, torch.device("cpu"), boxes, config
        )
        assert (float(losses["loss_bbox"]) > 0.5) == apart


def _crowded(count: int, crowds: int = 0) -> Example:
    return Example(
        image_id=1,
        path=Path("full.png"),
        size_wh=(64, 64),
        boxes_xyxy=np.tile([1.0, 1, 9, 9], (count + crowds, 1)),
        labels=np.zeros(count + crowds, dtype=np.int64),
        crowd=np.arange(count + crowds) >= count,
    )


@pytest.mark.parametrize(("objects", "noted"), [(0, False), (3, False), (4, True), (5, True)])
def test_few_spare_queries_are_noted(objects: int, noted: bool) -> None:
    network = _network(_detector(**{**SMALL, "queries": 5}))
    met = network.adapt_to_data([_crowded(1), _crowded(objects, crowds=9)], InputSize(64, 64))
    assert [entry.setting for entry in met.notes] == ["queries"] * noted
    assert all(f"{objects} objects" in entry.why for entry in met.notes)


def test_more_objects_than_queries_are_refused_before_anything_is_trained(
    yolo_scenes: Layout, tmp_path: Path
) -> None:
    detector = _detector(**{**SMALL, "queries": 1})
    before = {name: tensor.clone() for name, tensor in _network(detector).state_dict().items()}

    def fail(*args: object) -> Any:
        raise AssertionError("something was trained")

    context = FitContext(tmp_path, seed=0, device="cpu", score_val=fail, on_epoch=fail, on_step=fail)
    with pytest.raises(RecipeError, match=r"options\.queries.*scene \d+\.png has 2 objects"):
        detector.fit(yolo_scenes, Recipe(epochs=1, image_size=64, batch_size=4), context)
    assert all((before[name] == tensor).all() for name, tensor in _network(detector).state_dict().items())
    assert not list(tmp_path.iterdir())


def test_detections_are_those_of_transformers() -> None:
    import torch
    from transformers import DetrImageProcessor

    network = _network(_detector(**SMALL)).eval()
    batch = _batch()
    with torch.no_grad():
        ours = network.detect(batch)
        pixels, mask = network.inputs(batch)
        out = network.detr(pixel_values=pixels, pixel_mask=mask)
    theirs = DetrImageProcessor().post_process_object_detection(
        out, threshold=0.0, target_sizes=[(h, w) for w, h in batch.sizes_wh]
    )
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.boxes_xyxy, reference["boxes"])
        torch.testing.assert_close(mine.scores, reference["scores"])
        assert torch.equal(mine.labels, reference["labels"])


def test_pixels_are_normalised_and_padding_is_masked() -> None:
    import torch

    pixels, mask = _network(_detector(**SMALL)).inputs(_batch())
    assert mask.sum((1, 2)).tolist() == [60 * 40, 48 * 64]
    assert pixels[0, :, 40:, :].abs().max() == 0
    red = (_batch().pixels[0, 0, 0, 0].float() / 255 - 0.485) / 0.229
    torch.testing.assert_close(pixels[0, 0, 0, 0], red)


@pytest.mark.parametrize("depth", [18, 50])
def test_the_backbone_is_torchvisions_resnet_with_other_names(depth: int) -> None:
    """timm's have torchvision's layers and names, and published DETRs have timm's."""
    import torch
    import torchvision

    from bench.adapters.detr.model import Detr
    from bench.adapters.detr.weights import renamed

    reference = getattr(torchvision.models, f"resnet{depth}")(weights=None).eval()
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.8, 1.2)
    options = DetrOptions(backbone=resnet(depth), norm="frozen", dropout=0.1, no_object_weight=0.1, **SMALL)
    network = Detr(options, CLASSES).eval()
    theirs = {
        f"model.backbone.conv_encoder.model.{name}": tensor
        for name, tensor in reference.state_dict().items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    ours = renamed(theirs, network.state_dict())
    backbone = {name for name in network.state_dict() if name.startswith("model.backbone.")}
    assert set(ours) == backbone
    network.load_state_dict({**network.state_dict(), **ours})
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found = network.detr.model.backbone(pixels, torch.ones(1, 64, 64))[-1][0]
        body = torch.nn.Sequential(*list(reference.children())[:-2])
        torch.testing.assert_close(found, body(pixels), rtol=1e-3, atol=1e-3)


def test_random_backbones_train_whole_and_loaded_ones_above_the_first_stage(tmp_path: Path) -> None:
    first = _detector(**SMALL)
    assert all(parameter.requires_grad for parameter in _network(first).parameters())
    first.save(tmp_path / "first")
    second = _network(_detector(variant=None, weights=str(tmp_path / "first")))
    frozen = {name for name, parameter in second.detr.named_parameters() if not parameter.requires_grad}
    assert frozen
    assert all(".embedder." in name or ".stages.0." in name for name in frozen)


def test_weights_of_an_earlier_training_start_another(tmp_path: Path) -> None:
    """All tensors are taken; the class head only for the same classes."""
    import torch

    first = _detector(**SMALL)
    first.save(tmp_path / "first")
    before = _network(first).state_dict()
    same = _network(_detector(seed=5, variant=None, weights=str(tmp_path / "first"))).state_dict()
    shared = [name for name in before if name in same]
    assert len(shared) == len(same)
    assert all(torch.equal(before[name], same[name]) for name in shared)
    other = _detector(("car", "bus"), seed=5, variant=None, weights=str(tmp_path / "first"))
    after = _network(other).state_dict()
    changed = {name for name in after if not _equal(before[name], after[name])}
    assert changed == {"class_labels_classifier.weight", "class_labels_classifier.bias"}
    assert after["class_labels_classifier.weight"].shape == (3, SMALL["width"])
    description = other.describe()
    assert description.weights == str(tmp_path / "first")
    assert description.weights_sha256
    assert "frozen" in description.normalisation


def _equal(one: "Tensor", other: "Tensor") -> bool:
    return one.shape == other.shape and bool((one == other).all())


def test_a_saved_detector_is_a_checkpoint_of_transformers(tmp_path: Path) -> None:
    import torch
    from transformers import DetrForObjectDetection

    from bench.adapters.query.quiet import silenced

    detector = _detector(**SMALL)
    detector.save(tmp_path / "mine")
    with silenced():
        theirs, info = DetrForObjectDetection.from_pretrained(tmp_path / "mine", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    assert theirs.config.id2label == dict(enumerate(CLASSES))
    network = _network(detector).eval()
    pixels, mask = network.inputs(_batch())
    with torch.no_grad():
        ours = network.detr(pixel_values=pixels, pixel_mask=mask)
        reference = theirs.eval()(pixel_values=pixels, pixel_mask=mask)
    torch.testing.assert_close(ours.logits, reference.logits, rtol=1e-4, atol=1e-5)


def _planned(folder: Path) -> Plan:
    return FAMILY.plan(variant=None, weights=str(folder), options={}, recipe=Recipe(epochs=1))


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    _detector(**SMALL).save(tmp_path / "mine")
    file = tmp_path / "mine" / "model.safetensors"
    tensors = load_file(file)
    tensors["model.input_projection.bias"] = torch.zeros(7)
    del tensors["model.query_position_embeddings.weight"]
    tensors["something.else"] = torch.zeros(1)
    save_file(tensors, file)
    with pytest.raises(WeightsError) as caught:
        _planned(tmp_path / "mine")
    text = str(caught.value)
    assert "model.input_projection.bias has shape (7,), not (32,)" in text
    assert "model.query_position_embeddings.weight is missing" in text
    assert "something.else is unexpected" in text
    with pytest.raises(WeightsError, match="input_projection"):
        FAMILY.load(tmp_path / "mine", device="cpu")


def test_a_pickle_is_read_as_tensors_only(tmp_path: Path) -> None:
    """pytorch_model.bin: tensors load; code does not run."""
    import torch

    _detector(**SMALL).save(tmp_path / "mine")
    (tmp_path / "mine" / "model.safetensors").unlink()
    file = tmp_path / "mine" / "pytorch_model.bin"
    network = _network(_detector(**SMALL))
    torch.save(network.state_dict(), file)
    taken = _network(_detector(seed=3, variant=None, weights=str(tmp_path / "mine"))).state_dict()
    assert all(
        torch.equal(tensor, taken[name]) for name, tensor in network.state_dict().items() if name in taken
    )

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"weights": Evil()}, file)
    with pytest.raises(WeightsError, match="checkpoint that can be loaded safely"):
        _planned(tmp_path / "mine")
    assert not (tmp_path / "ran").exists()


def test_a_foreign_folder_is_no_detector(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"detector\.json"):
        FAMILY.load(tmp_path, device="cpu")
    _detector(**SMALL).save(tmp_path / "mine")
    file = tmp_path / "mine" / "detector.json"
    told = json.loads(file.read_text(encoding="utf-8"))
    told["plan"]["family"] = "frcnn"
    file.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(WeightsError, match="another family"):
        FAMILY.load(tmp_path / "mine", device="cpu")


def test_boxes_come_in_pixels_of_the_picture_on_disk(tmp_path: Path) -> None:
    """Resized to 64 pixels and back: a query at the middle of the input is at the middle of the picture."""
    import torch

    detector = _detector(**SMALL)
    network = _network(detector)
    with torch.no_grad():  # every query: the whole picture, class 1
        last = network.detr.bbox_predictor.layers[-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, 0.0, 20.0, 20.0]))
    Image.new("RGB", (300, 120)).save(tmp_path / "wide.png")
    (found,) = detector.predict([tmp_path / "wide.png"])
    np.testing.assert_allclose(found.boxes_xyxy, np.tile([0, 0, 300, 120], (len(found.scores), 1)), atol=1e-3)
    assert len(found.scores) == SMALL["queries"]
