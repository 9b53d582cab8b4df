"""What the gates ask of a YOLO; for the boxes, with a network that is never wrong.

The examples go through the trainer's own dataset and batches and are read as the loss reads them. Their boxes
are moved to where the image is in the predictor's input, and given out as the channels of the Detect layer,
which decodes them; the predictor suppresses and scales back.
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
from bench.adapters.yolo.trainer import Trainer
from bench.detector import Detections, FitContext, Plan
from bench.layout import Example, Layout, SplitName

SURE = 12.0
"""A logit: a probability of 0.99999; its negative is below every score floor."""

Area = tuple[float, float, float, float]  # x1, y1, x2, y2 of an image within the network's input, pixels


@dataclass(frozen=True)
class ExamplesLayout(Layout):
    """A layout with the same examples in every split, which are handed over."""

    given: tuple[Example, ...] = ()

    def examples(self, split: SplitName) -> list[Example]:
        return list(self.given)


@dataclass(frozen=True)
class TrainingInput:
    """One image as a training step gets it."""

    pixels: Tensor  # (3, H, W) in 0..1, with the padding
    boxes_xyxy: Tensor  # (N, 4) pixels of the input, as the loss reads them
    labels: Tensor  # (N,)
    area: Area


def without_augmentation(plan: Plan) -> Plan:
    """Without ultralytics' augmentations."""
    off = dict.fromkeys((*AUGMENTATIONS, "close_mosaic"), 0)
    return replace(plan, options={**plan.options, **off, "augment": "none", "albumentations": False})


def training_steps(
    plan: Plan, model: Any, classes: Sequence[str], examples: Sequence[Example], device: str
) -> Iterator[TrainingInput]:
    """What the trainer feeds and its loss reads of each example, in the order of `examples`."""
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
        layout = ExamplesLayout(Path(folder), tuple(classes), tuple(examples))
        trainer = Trainer(replace(without_augmentation(plan), recipe=recipe), model, layout, context)
        dataset = trainer.build_dataset("train", mode="train", batch=1)
        order = {str(example.path): index for index, example in enumerate(dataset.examples)}
        loss = v8DetectionLoss(_with_settings(trainer))
        for example in examples:
            index = order[str(example.path)]
            batch = trainer.preprocess_batch(dataset.collate_fn([dataset[index]]))
            yield _read(batch, loss, dataset.load_image(index)[2])


def _with_settings(trainer: Trainer) -> Any:
    """The model with the trainer's settings, as it is before the first step."""
    trainer.set_model_attributes()
    return trainer.model.to(trainer.device)


def _read(batch: dict[str, Any], loss: Any, size_hw: tuple[int, int]) -> TrainingInput:
    """As v8DetectionLoss does before it assigns."""
    pixels = batch["img"]  # (1, 3, H, W)
    height, width = pixels.shape[2:]
    rows = torch.cat((batch["batch_idx"].view(-1, 1), batch["cls"].view(-1, 1), batch["bboxes"]), 1)
    scale = torch.tensor([width, height, width, height], dtype=torch.float32, device=pixels.device)
    targets = loss.preprocess(rows.to(pixels.device), 1, scale_tensor=scale)  # (1, N, 5)
    labels, boxes = targets[0].split((1, 4), 1)
    return TrainingInput(pixels[0], boxes, labels[:, 0].long(), centred(size_hw, (height, width)))


def centred(size_hw: tuple[int, int], canvas_hw: tuple[int, int]) -> Area:
    """Where LetterBox puts an image of that size (ultralytics/data/augment.py)."""
    top, left = (round((canvas - size) / 2 - 0.1) for canvas, size in zip(canvas_hw, size_hw, strict=True))
    return left, top, left + size_hw[1], top + size_hw[0]


def inside(pixels: Tensor, area: Area) -> NDArray[np.float64]:
    """(3, H, W) -> (H, W, 3), the image without its padding."""
    left, top, right, bottom = (int(side) for side in area)
    return np.asarray(pixels[:, top:bottom, left:right].double().cpu().permute(1, 2, 0).numpy())


class OraclePredictor:
    """A predictor with an oracle in the place of its network."""

    def __init__(self, predictor: Predictor, model: Any) -> None:
        self._predictor = predictor
        self._head = model.model[-1]

    def network_inputs(self, path: Path) -> NDArray[np.float64]:
        """(H, W, 3), what `predict` gives to the network."""
        oracle, _ = self._ask(path, None)
        return inside(oracle.pixels[0], oracle.area)

    def round_trip(self, path: Path, target: TrainingInput) -> Detections:
        return self._ask(path, target)[1]

    def _ask(self, path: Path, target: TrainingInput | None) -> tuple["OracleModel", Detections]:
        image = read_image(path)
        oracle = OracleModel(self._predictor.model, self._head, image.shape[:2], target)
        with _replaced(self._predictor, oracle):
            (found,) = self._predictor.detect([path], batch_size=1)
        return oracle, found


class OracleModel:
    """Takes the place of the network; answers with the objects of `target`, or with none."""

    def __init__(
        self, network: Any, head: Any, original_hw: tuple[int, int], target: TrainingInput | None
    ) -> None:
        self._network = network
        self._head = head
        self._original_hw = original_hw
        self._target = target
        self.pixels: Tensor = torch.zeros(0)
        self.area: Area = (0, 0, 0, 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def __call__(self, pixels: Tensor) -> Tensor:
        """(1, 3, H, W) -> what the Detect layer gives: (1, 4 + classes, anchors), or (1, K, 6) end to end."""
        canvas = pixels.shape[2:]
        gain = min(canvas[0] / self._original_hw[0], canvas[1] / self._original_hw[1])
        size = tuple(max(round(side * gain), 1) for side in self._original_hw)
        self.pixels, self.area = pixels, centred((size[0], size[1]), (canvas[0], canvas[1]))
        raw: Tensor = self._head._inference(self._channels(pixels))
        if self._head.end2end:
            raw = self._head.postprocess(raw.permute(0, 2, 1))
        return raw

    def _channels(self, pixels: Tensor) -> dict[str, Any]:
        """The outputs of the Detect layer's convolutions: distances and class logits at every anchor."""
        head, height, width = self._head, *pixels.shape[2:]
        features = [pixels.new_zeros(1, 1, height // int(s), width // int(s)) for s in head.stride]
        anchors, strides = make_anchors(features, head.stride, 0.5)  # (A, 2) in cells, (A, 1)
        bins = max(head.reg_max, 1)
        boxes = pixels.new_zeros(len(anchors), 4, bins)
        scores = pixels.new_full((len(anchors), head.nc), -SURE)
        if self._target is not None:
            for box, label in zip(self._moved(), self._target.labels.tolist(), strict=True):
                distances = bbox2dist(anchors, (box / strides))  # (A, 4) in cells
                row = _responsible(distances, bins)
                boxes[row] = _as_channels(distances[row], bins)
                scores[row, label] = SURE
        return {"boxes": boxes.flatten(1).T[None], "scores": scores.T[None], "feats": features}

    def _moved(self) -> Tensor:
        """Boxes (N, 4), from the image's area in training to its area here."""
        assert self._target is not None
        boxes = self._target.boxes_xyxy
        old, new = (torch.tensor(f, device=boxes.device) for f in (self._target.area, self.area))
        scale = (new[2:] - new[:2]) / (old[2:] - old[:2])
        return (boxes - old[:2].repeat(2)) * scale.repeat(2) + new[:2].repeat(2)


def _responsible(distances: Tensor, bins: int) -> int:
    """Of the anchors in the box that all its sides are within reach of, the one nearest to its centre."""
    reach = bins - 1.01 if bins > 1 else float("inf")
    fit = (distances.min(dim=1).values > 0) & (distances.max(dim=1).values < reach)
    if not bool(fit.any()):
        raise ValueError(
            f"no anchor of the Detect layer reaches a box: {distances.max(dim=0).values.tolist()}"
        )
    off = (distances[:, :2] - distances[:, 2:]).abs().sum(dim=1)
    return int(torch.where(fit, off, torch.inf).argmin())


def _as_channels(distances: Tensor, bins: int) -> Tensor:
    """(4,) -> (4, bins): logits whose softmax has its mean at the distance; with one bin, the distance."""
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
def _replaced(predictor: Predictor, oracle: OracleModel) -> Iterator[None]:
    network = predictor.model
    predictor.model = oracle
    try:
        yield
    finally:
        predictor.model = network
