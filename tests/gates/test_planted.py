"""A fault planted in each adapter, at the place where it would be made: a gate catches every one."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bench import registry
from bench.detector import Detector
from bench.gates.before import NAMES, Candidate, GateInputs, gate_checks
from bench.gates.gate import run_gate
from bench.recipe import Recipe
from bench.records import GateResult

pytestmark = pytest.mark.slow

CLASSES = ("brick", "leaf", "sky")
LOOKS = NAMES[:-1]
"""Overfitting spends the detector, and these must be enough."""


@dataclass(frozen=True)
class Bench:
    """A detector under the gates, built once a family."""

    candidate: Candidate
    detector: Detector
    inputs: GateInputs

    def failed(self) -> dict[str, str]:
        """Gate -> reason."""
        checks = gate_checks(self.candidate, self.detector, self.inputs)
        results: list[GateResult] = [run_gate(name, checks[name]) for name in LOOKS]
        return {result.name: result.detail for result in results if not result.passed}


@pytest.fixture(scope="module", params=["detr", "frcnn", "rt_detr", "yolo"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    found = registry.family(request.param)
    plan = found.plan(variant="tiny", weights="none", options={}, recipe=Recipe(batch_size=2, epochs=2))
    candidate = Candidate(found, plan, CLASSES, 0, "cpu")
    detector = found.build(plan, classes=CLASSES, seed=0, device="cpu")
    detector.disable_augmentation()  # type: ignore[attr-defined]
    yield Bench(candidate, detector, GateInputs.create(candidate, tmp_path_factory.mktemp(request.param)))


Plant = Callable[[Callable[..., None]], None]
"""Given monkeypatch.setattr, it plants."""


def wrap(module: str, path: str, change: Callable[..., Any]) -> Plant:
    """Put `change(original, *words)` in the place of a function or a method."""

    def plant(setattr_: Callable[..., None]) -> None:
        place: Any = importlib.import_module(module)
        *way, name = path.split(".")
        for part in way:
            place = getattr(place, part)
        original = getattr(place, name)
        setattr_(place, name, lambda *args, **settings: change(original, *args, **settings))

    return plant


def corner_for_centre(original: Any, *args: Any) -> Any:
    """DETR's shares: x, y, w, h with the corner where the centre should be."""
    boxes = original(*args).clone()
    boxes[:, :2] -= boxes[:, 2:] / 2
    return boxes


def sizes_for_corners(original: Any, target: Any) -> Any:
    """torchvision's targets: widths and heights where the lower corner should be."""
    found = original(target)
    boxes = found["boxes"].clone()
    boxes[:, 2:] -= boxes[:, :2]
    return {**found, "boxes": boxes}


def yolo_corner(original: Any, example: Any) -> Any:
    label = original(example)
    boxes = label["bboxes"].copy()
    boxes[:, :2] -= boxes[:, 2:] / 2
    return {**label, "bboxes": boxes}


def next_class(original: Any, trainable: Any, batch: Any) -> Any:
    return [replace(found, labels=found.labels + 1) for found in original(trainable, batch)]


def background_forgotten(original: Any, target: Any) -> Any:
    found = original(target)
    return {**found, "labels": found["labels"] - 1}


def yolo_next_class(original: Any, boxes: Any, scores: Any, labels: Any) -> Any:
    return original(boxes, scores, labels + 1)


def scaled_to_padding(original: Any, trainable: Any, batch: Any) -> Any:
    """Shares of the padded batch taken for shares of the picture."""
    height, width = batch.pixels.shape[-2:]
    return original(trainable, replace(batch, sizes_wh=((width, height),) * len(batch)))


def square_forgotten(original: Any, trainable: Any, batch: Any) -> Any:
    """Shares of the padded square taken for shares of the picture, in prediction alone."""
    trainable.frames_wh = lambda batch: batch.sizes_wh
    try:
        return original(trainable, batch)
    finally:
        del trainable.frames_wh


def mean_subtracted(original: Any, trainable: Any, batch: Any) -> Any:
    """ImageNet's normalisation in prediction, for a network that is trained on pixels in 0..1."""
    pixels, mask = original(trainable, batch)
    return (pixels if trainable.training else (pixels - 0.45) / 0.225), mask


def never_scaled(original: Any, images: Any, order: Any) -> Any:
    """Boxes in pixels of the file, the picture in pixels of the network's input."""
    import torch

    loaded = original(images, order)
    boxes = torch.from_numpy(images._examples[order.index].boxes_xyxy).float()
    return replace(loaded, target=replace(loaded.target, boxes_xyxy=boxes))


def by_the_long_side(original: Any, example: Any) -> Any:
    label = original(example)
    height, width = label["shape"]
    boxes = label["bboxes"].copy()
    boxes[:, [0, 2]] *= width / max(width, height)
    boxes[:, [1, 3]] *= height / max(width, height)
    return {**label, "bboxes": boxes}


def bgr_batch(original: Any, trainable: Any, batch: Any) -> Any:
    return original(trainable, replace(batch, pixels=batch.pixels.flip(1)))


def bgr_images(original: Any, batch: Any) -> Any:
    return [image.flip(0) for image in original(batch)]


def bgr_file(original: Any, path: Path) -> Any:
    return original(path)[..., ::-1]


DETR, FRCNN = "bench.adapters.detr.model", "bench.adapters.frcnn.model"
TRANSFORMERS, QUERY = "bench.adapters.transformers_detr.model", "bench.adapters.query.trainable"
YOLO_DATA, YOLO_FOUND = "bench.adapters.yolo.data", "bench.adapters.yolo.detections"
FEED, BATCH = "bench.adapters.loop.feed", "bench.adapters.loop.trainable"

FAULTS: dict[str, dict[str, tuple[str, str, Plant]]] = {
    "xywh for xyxy": {
        "detr": ("boxes", "comes back as", wrap(QUERY, "to_cxcywh_norm", corner_for_centre)),
        "frcnn": ("boxes", "", wrap(FRCNN, "_to_torchvision", sizes_for_corners)),
        "rt_detr": ("boxes", "comes back as", wrap(QUERY, "to_cxcywh_norm", corner_for_centre)),
        "yolo": ("boxes", "comes back as", wrap(YOLO_DATA, "_label", yolo_corner)),
    },
    "classes shifted by one": {
        "detr": ("classes", "comes back as", wrap(DETR, "Detr.detect", next_class)),
        "frcnn": ("classes", "", wrap(FRCNN, "_to_torchvision", background_forgotten)),
        "rt_detr": ("classes", "comes back as", wrap(TRANSFORMERS, "TransformersDetr.detect", next_class)),
        "yolo": ("classes", "comes back as", wrap(YOLO_FOUND, "detections", yolo_next_class)),
    },
    "boxes scaled to the wrong size": {
        "detr": ("boxes", "comes back as", wrap(DETR, "Detr.detect", scaled_to_padding)),
        "frcnn": ("boxes", "", wrap(FEED, "ImageDataset.__getitem__", never_scaled)),
        "rt_detr": (
            "boxes",
            "comes back as",
            wrap(TRANSFORMERS, "TransformersDetr.detect", square_forgotten),
        ),
        "yolo": ("boxes", "comes back as", wrap(YOLO_DATA, "_label", by_the_long_side)),
    },
    "BGR for RGB": {
        "detr": ("colours", "red and blue are swapped", wrap(DETR, "Detr.inputs", bgr_batch)),
        "frcnn": ("colours", "red and blue are swapped", wrap(BATCH, "Batch.images", bgr_images)),
        "rt_detr": ("colours", "red and blue", wrap(TRANSFORMERS, "TransformersDetr.inputs", bgr_batch)),
        "yolo": ("colours", "in prediction red and blue", wrap(YOLO_FOUND, "read_image", bgr_file)),
    },
}


def test_another_normalisation_in_prediction_is_caught(
    family: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    if family.candidate.family.name != "rt_detr":
        pytest.skip("planted where pixels stay in 0..1")
    wrap(TRANSFORMERS, "TransformersDetr.inputs", mean_subtracted)(monkeypatch.setattr)
    assert "in prediction" in family.failed()["colours"]


def test_without_a_fault_all_pass(family: Bench) -> None:
    assert family.failed() == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(family: Bench, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, summary, plant = FAULTS[fault][family.candidate.family.name]
    plant(monkeypatch.setattr)
    failed = family.failed()
    assert gate in failed
    assert summary in failed[gate]
