"""Number formats, memory order and compilation: what changes the speed of a training, and its rounding."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from bench.adapters.loop.trainable import Batch, Trainable
from bench.adapters.training.precision import number_format
from bench.recipe import Recipe

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Mixed precision of a training, and the memory order of its batches.

    Raises RecipeError for a number format that the device can't compute in.
    """

    def __init__(self, recipe: Recipe, device: str) -> None:
        half = number_format(recipe.amp, device)
        self._dtype = _DTYPES[half] if half else None
        self._device = torch.device(device)
        self._channels_last = recipe.channels_last
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=half == "fp16")
        """Does nothing but for float16, whose small gradients would be 0."""

    def to_device(self, batch: Batch) -> Batch:
        there = batch.to(self._device)
        if not self._channels_last:
            return there
        return replace(there, pixels=there.pixels.contiguous(memory_format=torch.channels_last))

    def losses(self, trainable: Trainable, batch: Batch) -> Mapping[str, Tensor]:
        """Of a batch on the device, in single precision."""
        if self._dtype is None:
            return trainable(batch)  # type: ignore[no-any-return]
        with torch.autocast(self._device.type, dtype=self._dtype):
            losses = trainable(batch)
        return {name: loss.float() for name, loss in losses.items()}


def arrange(trainable: Trainable, recipe: Recipe) -> None:
    """Memory order and compilation, by the recipe; the names in the state_dict stay the same."""
    if recipe.channels_last:
        trainable.to(memory_format=torch.channels_last)
    if recipe.compile:
        for module in trainable.compilable:
            module.compile()
