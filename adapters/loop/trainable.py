"""The contract between the training loop and a model.

B images in a batch, H x W the largest of them, N boxes in an image. Boxes are xyxy in pixels of the
network's input; class indices run from 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bench.adapters.loop.augment import Augment
from bench.adapters.loop.oracle import OracleNetwork
from bench.layout import Example
from bench.loss import LossConfig
from bench.recipe import InputSize
from bench.records import LedgerEntry, LossRecord


@dataclass(frozen=True)
class Target:
    """The ground truth of one image, without crowds."""

    boxes_xyxy: Tensor  # (N, 4) float32
    labels: Tensor  # (N,) int64


@dataclass(frozen=True)
class Batch:
    """Images for a network."""

    pixels: Tensor  # (B, 3, H, W) uint8 RGB; each image at the top left, zeros right of it and below
    sizes_wh: tuple[tuple[int, int], ...]  # each image's own part of `pixels`
    original_wh: tuple[tuple[int, int], ...]  # each image's size on disk
    targets: tuple[Target, ...]  # empty where nothing is known

    def __len__(self) -> int:
        return len(self.sizes_wh)

    def to(self, device: torch.device | str) -> "Batch":
        targets = tuple(Target(t.boxes_xyxy.to(device), t.labels.to(device)) for t in self.targets)
        pixels = self.pixels.to(device, non_blocking=True)
        return Batch(pixels, self.sizes_wh, self.original_wh, targets)

    def pin_memory(self) -> "Batch":
        """Called by torch's DataLoader, for quick transfers to a GPU."""
        return Batch(self.pixels.pin_memory(), self.sizes_wh, self.original_wh, self.targets)

    def images(self) -> list[Tensor]:
        """Each image alone, (3, h, w) float32 in 0..1, without the padding."""
        scaled = self.pixels.float() / 255
        return [image[:, :h, :w] for image, (w, h) in zip(scaled, self.sizes_wh, strict=True)]


@dataclass(frozen=True)
class RawDetections:
    """A network's detections in one image, in any order."""

    boxes_xyxy: Tensor  # (N, 4)
    scores: Tensor  # (N,) in 0..1
    labels: Tensor  # (N,)

    def among(self, classes: int | None) -> "RawDetections":
        """Those of the first `classes` classes; None: all."""
        if classes is None:
            return self
        kept = self.labels < classes
        return RawDetections(self.boxes_xyxy[kept], self.scores[kept], self.labels[kept])


@dataclass(frozen=True)
class DataAdaptation:
    """What a network has derived from the training images before the training."""

    options: Mapping[str, Any] = field(default_factory=dict)  # of the plan, resolved only now
    notes: tuple[LedgerEntry, ...] = ()


class Normalisation(NamedTuple):
    """What is subtracted from the pixels of a network's input, and what divides them: RGB in 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What the published backbones of torchvision and timm were trained with."""

UNIT = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Pixels in 0..1."""


class Trainable(nn.Module):
    """A network that the loop can train. It is the module itself; its state_dict is the checkpoint."""

    normalisation: Normalisation = IMAGENET
    """Of the network's input, for the gates: they hold the input to it."""

    loss_weights: Mapping[str, float] = {}
    """Factor of each loss component, by default 1. The loss is the weighted sum."""

    augment: Augment = "none"
    """Augmentation beside the recipe's."""

    reported_classes: int | None = None
    """How many of the head's classes, from the first, `detect` reports; None: all."""

    @property
    def backbone(self) -> nn.Module:
        """The part that trains at the backbone's rate."""
        raise NotImplementedError

    @property
    def parts(self) -> Mapping[str, Sequence[nn.Module]]:
        """What a stage can freeze: `backbone`, and `encoder`, `decoder` and `head` where they exist.

        The head (classes and boxes) is what `all_but_head` leaves trainable. A module may belong to no part.
        """
        return {"backbone": [self.backbone]}

    @property
    def compilable(self) -> Sequence[nn.Module]:
        """What torch.compile compiles: modules whose work depends on the shapes of their inputs alone."""
        return [self]

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """The denominator of each loss component, in any unit; by default the number of images.

        With it the losses of several small batches add up to that of one large batch.
        """
        return {}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Loss components, each a scalar and unweighted, in training and in evaluation mode.

        In evaluation mode it must not touch the statistics of batch norm.
        """
        raise NotImplementedError

    def detect(self, batch: Batch) -> list[RawDetections]:
        """The detections in each image. Called in evaluation mode, without gradients."""
        raise NotImplementedError

    def adapt_to_data(self, examples: Sequence[Example], size: InputSize) -> DataAdaptation:
        """Called before a training with its images: settle what depends on them, deterministically.

        Raises RecipeError where the network can't learn from them.
        """
        return DataAdaptation()

    def set_class_loss(
        self, settings: LossConfig, counts: Mapping[str, int], images: int
    ) -> LossRecord | None:
        """Called before a training with a class loss other than the framework's.

        The train split has `counts` boxes of each class, in the head's order and without crowds, in so many
        images. Returns None where the framework's own loss can do it. No checkpoint stores it.
        """
        raise NotImplementedError

    def oracle(self) -> OracleNetwork:
        """A perfect network, for the gates; its `network` is the child module that it takes the place of."""
        raise NotImplementedError

    def save_beside(self, folder: Path) -> None:
        """Write files that other tools expect beside the weights; by default none."""
