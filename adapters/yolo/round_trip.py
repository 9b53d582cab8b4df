"""A YOLO as the gates see it: the network replaced by one that is never wrong, all around it as it is.

In: the layout's examples through the trainer's own dataset and batches, read as the loss reads them. Across:
positions within the picture, because a network that sees the picture elsewhere finds the object elsewhere.
Out: distances from anchors as the Detect layer's channels, decoded by that layer, suppressed and scaled back
by the predictor.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from ultralytics.utils.loss import v8DetectionLoss
from ultralytics.utils.tal import bbox2dist, make_anchors

from bench.adapters.yolo.detections import Predictor, read_image
from bench.adapters.yolo.options import AUGMENTATIONS
from bench.adapters.yolo.recipe import RecipeTrainer
from bench.detector import Detections, FitContext, Plan
from bench.layout import Example, Layout, SplitName

SURE = 12.0
"""A logit: a probability of 0.99999; its negative is under every score floor."""

Frame = tuple[float, float, float, float]  # x1, y1, x2, y2 of a picture within the network's input, pixels


@dataclass(frozen=True)
class Given(Layout):
    """A layout of the examples that somebody hands over, in every split."""

    given: tuple[Example, ...] = ()

    def examples(self, split: SplitName) -> list[Example]:
        return list(self.given)


@dataclass(frozen=True)
class Shown:
    """One picture as a training step has it."""

    pixels: Tensor  # (3, H, W) in 0..1, with the padding
    boxes_xyxy: Tensor  # (N, 4) pixels of the input, as the loss reads them
    labels: Tensor  # (N,)
    frame: Frame


def without_augmentation(plan: Plan) -> Plan:
    """Without ultralytics' augmentations."""
    off = dict.fromkeys((*AUGMENTATIONS, "close_mosaic"), 0)
    return replace(plan, options={**plan.options, **off, "augment": "none", "albumentations": False})


def training_steps(
    plan: Plan, model: Any, classes: Sequence[str], examples: Sequence[Example], device: str
) -> Iterator[Shown]:
    """What the trainer feeds of each example and what its loss reads, in the order of `examples`."""
    recipe = plan.recipe.model_copy(
        update={"flip": 0.0, "multi_scale": 0.0, "batch_size": 1, "workers": 0, "accumulate": 1}
    )
    with tempfile.TemporaryDirectory(prefix="bench-round-trip-") as folder:
        context = FitContext(
            workdir=Path(folder),
            seed=0,
            device=device,
            score_val=lambda found: {},
            on_epoch=lambda epoch: True,
        )
        layout = Given(Path(folder), tuple(classes), tuple(examples))
        trainer = RecipeTrainer(replace(without_augmentation(plan), recipe=recipe), model, layout, context)
        dataset = trainer.build_dataset("train", mode="train", batch=1)
        order = {str(example.path): index for index, example in enumerate(dataset.examples)}
        loss = v8DetectionLoss(_with_settings(trainer))
        for example in examples:
            index = order[str(example.path)]
            batch = trainer.preprocess_batch(dataset.collate_fn([dataset[index]]))
            yield _read(batch, loss, dataset.load_image(index)[2])


def _with_settings(trainer: RecipeTrainer) -> Any:
    """The model with the trainer's words, as the training has it before the first step."""
    trainer.set_model_attributes()
    return trainer.model.to(trainer.device)


def _read(batch: dict[str, Any], loss: Any, size_hw: tuple[int, int]) -> Shown:
    """As v8DetectionLoss does before it assigns."""
    pixels = batch["img"]  # (1, 3, H, W)
    height, width = pixels.shape[2:]
    rows = torch.cat((batch["batch_idx"].view(-1, 1), batch["cls"].view(-1, 1), batch["bboxes"]), 1)
    scale = torch.tensor([width, height, width, height], dtype=torch.float32, device=pixels.device)
    targets = loss.preprocess(rows.to(pixels.device), 1, scale_tensor=scale)  # (1, N, 5)
    labels, boxes = targets[0].split((1, 4), 1)
    return Shown(pixels[0], boxes, labels[:, 0].long(), centred(size_hw, (height, width)))


def centred(size_hw: tuple[int, int], canvas_hw: tuple[int, int]) -> Frame:
    """Where LetterBox puts a picture of that size (ultralytics/data/augment.py)."""
    top, left = (round((canvas - size) / 2 - 0.1) for canvas, size in zip(canvas_hw, size_hw, strict=True))
    return left, top, left + size_hw[1], top + size_hw[0]


def inside(pixels: Tensor, frame: Frame) -> NDArray[np.float64]:
    """(3, H, W) -> (H, W, 3) of the picture alone."""
    left, top, right, bottom = (int(side) for side in frame)
    return np.asarray(pixels[:, top:bottom, left:right].double().cpu().permute(1, 2, 0).numpy())


class NetworkProbe:
    """A predictor whose network is replaced."""

    def __init__(self, predictor: Predictor, model: Any) -> None:
        self._predictor = predictor
        self._head = model.model[-1]

    def network_inputs(self, path: Path) -> NDArray[np.float64]:
        """(H, W, 3), what `predict` gives to the network."""
        perfect, _ = self._ask(path, None)
        return inside(perfect.pixels[0], perfect.frame)

    def round_trip(self, path: Path, learnt: Shown) -> Detections:
        return self._ask(path, learnt)[1]

    def _ask(self, path: Path, learnt: Shown | None) -> tuple["Perfect", Detections]:
        image = read_image(path)
        perfect = Perfect(self._predictor.model, self._head, image.shape[:2], learnt)
        with _in_place_of_network(self._predictor, perfect):
            (found,) = self._predictor.detect([path], batch_size=1)
        return perfect, found


class Perfect:
    """In the place of the network: answers where it has learnt the objects to be."""

    def __init__(self, network: Any, head: Any, original_hw: tuple[int, int], learnt: Shown | None) -> None:
        self._network = network
        self._head = head
        self._original_hw = original_hw
        self._learnt = learnt
        self.pixels: Tensor = torch.zeros(0)
        self.frame: Frame = (0, 0, 0, 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def __call__(self, pixels: Tensor) -> Tensor:
        """(1, 3, H, W) -> what the Detect layer gives: (1, 4 + classes, anchors), or (1, K, 6) end to end."""
        canvas = pixels.shape[2:]
        gain = min(canvas[0] / self._original_hw[0], canvas[1] / self._original_hw[1])
        size = tuple(max(round(side * gain), 1) for side in self._original_hw)
        self.pixels, self.frame = pixels, centred((size[0], size[1]), (canvas[0], canvas[1]))
        raw: Tensor = self._head._inference(self._channels(pixels))
        if self._head.end2end:
            raw = self._head.postprocess(raw.permute(0, 2, 1))
        return raw

    def _channels(self, pixels: Tensor) -> dict[str, Any]:
        """What the Detect layer's convolutions would give: distances and class logits at every anchor."""
        head, height, width = self._head, *pixels.shape[2:]
        features = [pixels.new_zeros(1, 1, height // int(s), width // int(s)) for s in head.stride]
        anchors, strides = make_anchors(features, head.stride, 0.5)  # (A, 2) in cells, (A, 1)
        bins = max(head.reg_max, 1)
        boxes = pixels.new_zeros(len(anchors), 4, bins)
        scores = pixels.new_full((len(anchors), head.nc), -SURE)
        if self._learnt is not None:
            for box, label in zip(self._moved(), self._learnt.labels.tolist(), strict=True):
                distances = bbox2dist(anchors, (box / strides))  # (A, 4) in cells
                row = _responsible(distances, bins)
                boxes[row] = _as_channels(distances[row], bins)
                scores[row, label] = SURE
        return {"boxes": boxes.flatten(1).T[None], "scores": scores.T[None], "feats": features}

    def _moved(self) -> Tensor:
        """Boxes (N, 4) from where the training saw the picture to where it is seen now."""
        assert self._learnt is not None
        boxes = self._learnt.boxes_xyxy
        old, new = (torch.tensor(f, device=boxes.device) for f in (self._learnt.frame, self.frame))
        scale = (new[2:] - new[:2]) / (old[2:] - old[:2])
        return (boxes - old[:2].repeat(2)) * scale.repeat(2) + new[:2].repeat(2)


def _responsible(distances: Tensor, bins: int) -> int:
    """The anchor inside the box, with all its sides within reach, that lies nearest to the middle of it."""
    reach = bins - 1.01 if bins > 1 else float("inf")
    fit = (distances.min(dim=1).values > 0) & (distances.max(dim=1).values < reach)
    if not bool(fit.any()):
        raise ValueError(
            f"no anchor of the Detect layer reaches a box: {distances.max(dim=0).values.tolist()}"
        )
    off = (distances[:, :2] - distances[:, 2:]).abs().sum(dim=1)
    return int(torch.where(fit, off, torch.inf).argmin())


def _as_channels(distances: Tensor, bins: int) -> Tensor:
    """(4,) -> (4, bins): logits whose softmax has its mean at the distance; without bins, that."""
    if bins == 1:
        return distances[:, None]
    low = distances.floor()
    share = (distances - low).clamp(1e-6, 1 - 1e-6)
    channels = distances.new_full((4, bins), -50.0)
    rows = torch.arange(4)
    channels[rows, low.long()] = torch.log(1 - share)
    channels[rows, low.long() + 1] = torch.log(share)
    return channels


@contextmanager
def _in_place_of_network(predictor: Predictor, perfect: Perfect) -> Iterator[None]:
    network = predictor.model
    predictor.model = perfect
    try:
        yield
    finally:
        predictor.model = network
