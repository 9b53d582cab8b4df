"""Losses and detections on val, of the network's present weights."""

from collections.abc import Sequence

import torch

from bench.adapters.loop import feed
from bench.adapters.loop.inference import to_original_pixels
from bench.adapters.loop.means import MeanLosses
from bench.adapters.loop.precision import Precision
from bench.adapters.loop.randomness import preserved
from bench.adapters.loop.trainable import Trainable
from bench.detector import Detections
from bench.layout import Example
from bench.recipe import Recipe


class Validation:
    """Of one trainable on its val images."""

    def __init__(
        self,
        trainable: Trainable,
        examples: Sequence[Example],
        recipe: Recipe,
        device: str,
        precision: Precision,
    ) -> None:
        self._trainable = trainable
        self._loader = feed.validation(examples, recipe, device)
        self._precision = precision
        self._device = device

    def run(self) -> tuple[dict[str, float], list[Detections]]:
        """Mean losses by component; the detections in each image.

        Leaves the network in evaluation mode, and the training's random numbers as they were.
        """
        means = MeanLosses()
        found: list[Detections] = []
        self._trainable.eval()
        with torch.no_grad(), preserved(self._device):
            torch.manual_seed(0)  # losses that sample boxes: the same draw every time
            for batch in self._loader:
                there = self._precision.to_device(batch)
                means.add(self._precision.losses(self._trainable, there), len(batch))
                found += to_original_pixels(self._trainable.detect(there), batch)
        return means.values(), found
