"""One look at val: losses and detections of the network's present weights."""

from collections.abc import Sequence

import torch

from bench.adapters.loop import feed, precision
from bench.adapters.loop.inference import in_originals
from bench.adapters.loop.means import Means
from bench.adapters.loop.randomness import kept
from bench.adapters.loop.trainable import Batch, Trainable
from bench.detector import Detections
from bench.layout import Example
from bench.recipe import Recipe


class Validation:
    """Of one trainable on its val pictures, as often as is asked."""

    def __init__(
        self, trainable: Trainable, examples: Sequence[Example], recipe: Recipe, device: str
    ) -> None:
        self._trainable = trainable
        self._loader = feed.validation(examples, recipe, device)
        self._recipe = recipe
        self._device = device

    def look(self) -> tuple[dict[str, float], list[Detections]]:
        """Mean losses by component; what is in each picture. The network is left in evaluation mode, and the
        training's random numbers as they were.
        """
        means = Means()
        found: list[Detections] = []
        self._trainable.eval()
        with torch.no_grad(), kept(self._device):
            torch.manual_seed(0)  # losses that sample boxes: the same draw every time
            for batch in self._loader:
                there = on_device(batch, self._recipe, self._device)
                means.add(self._trainable(there), len(batch))
                found += in_originals(self._trainable.detect(there), batch)
        return means.values(), found


def on_device(batch: Batch, recipe: Recipe, device: str) -> Batch:
    """A batch where the network is, in the memory order that the recipe says."""
    there = batch.to(device)
    return precision.ordered(there) if recipe.channels_last else there
