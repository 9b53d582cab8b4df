"""The variants of the family: networks and default settings. Light."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VARIANTS: Mapping[str, str] = {
    "n": "YOLOv8n, 3.2 million parameters",
    "s": "YOLOv8s, 11.2 million parameters",
    "m": "YOLOv8m, 25.9 million parameters",
    "l": "YOLOv8l, 43.7 million parameters",
    "x": "YOLOv8x, 68.2 million parameters",
    "tiny": "a small YOLOv8 that learns small pictures from random weights in a minute on two cores",
}
"""A path to a model yaml or to a .pt checkpoint is a variant, too."""

TINY: Mapping[str, Any] = {
    "nc": 80,
    "depth_multiple": 1.0,
    "width_multiple": 1.0,
    "max_channels": 64,
    "reg_max": 8,  # a side is at most 7 cells from its anchor: 112 px on the coarse level
    "backbone": [
        [-1, 1, "Conv", [8, 3, 2]],  # 0  stride 2
        [-1, 1, "Conv", [16, 3, 2]],  # 1  stride 4
        [-1, 1, "C2f", [16, True]],  # 2
        [-1, 1, "Conv", [32, 3, 2]],  # 3  stride 8
        [-1, 1, "C2f", [32, True]],  # 4
        [-1, 1, "Conv", [64, 3, 2]],  # 5  stride 16
        [-1, 1, "C2f", [64, True]],  # 6
        [-1, 1, "SPPF", [64, 3]],  # 7
    ],
    "head": [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],  # 8
        [[-1, 4], 1, "Concat", [1]],  # 9
        [-1, 1, "C2f", [32]],  # 10  stride 8
        [-1, 1, "Conv", [32, 3, 2]],  # 11
        [[-1, 7], 1, "Concat", [1]],  # 12
        [-1, 1, "C2f", [64]],  # 13  stride 16
        [[10, 13], 1, "Detect", ["nc"]],  # 14
    ],
}
"""YOLOv8's own blocks at half the width of n, with two levels of detection instead of three."""


@dataclass(frozen=True)
class Defaults:
    """Of a variant, for settings that the recipe leaves out."""

    image_size: int
    optimizer: str
    schedule: str
    warmup_epochs: float
    rates: Mapping[str, float] = field(default_factory=dict)  # optimizer -> peak rate, where it has its own
    options: Mapping[str, Any] = field(default_factory=dict)  # over the defaults of YoloOptions

    def lr(self, optimizer: str) -> float | None:
        """The variant's own peak rate with that optimizer."""
        return self.rates.get(optimizer)


PUBLISHED = Defaults(image_size=640, optimizer="sgd", schedule="linear", warmup_epochs=3.0)
"""YOLOv8's recipe, ultralytics/cfg/default.yaml."""

SMALL = Defaults(
    image_size=96, optimizer="adamw", schedule="cosine", warmup_epochs=1.0, rates={"adamw": 0.002}
)
"""Measured on the synthetic default: AP50 on val is 0.75 after 5 epochs, 0.99 after 10."""


def defaults(variant: str) -> Defaults:
    """Those of `tiny`, or the published ones."""
    return SMALL if variant == "tiny" else PUBLISHED
