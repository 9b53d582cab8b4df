"""What the loop's detectors show to the gates: their networks replaced by one that is never wrong.

A family gives a `NetworkProbe` of its Trainable. It swaps the network for a stand-in that takes the targets
as the network's loss does and answers as the network's heads would after learning them by heart; all else is
the family's own code.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.adapters.loop import feed
from bench.adapters.loop.inference import in_originals, load
from bench.adapters.loop.trainable import Batch, RawDetections, Trainable
from bench.detector import Detections
from bench.layout import Example
from bench.recipe import Recipe

BATCH = 2
"""Pictures of two shapes in one batch: what forgets about the padding shows."""

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
"""ImageNet's, RGB in 0..1. Written down once more, so that a family can't say itself what is right."""


class NetworkProbe(Protocol):
    """A Trainable seen from both ends."""

    def network_inputs(self, batch: Batch, *, training: bool) -> list[Tensor]:
        """What the network is given for each picture, (3, h, w): normalised, without the padding."""
        ...

    def round_trip(self, batch: Batch) -> list[RawDetections]:
        """What `detect` makes of the outputs of a network that has learnt the batch's targets by heart."""
        ...


class StandIn(nn.Module):
    """In the place of a network: knows all its attributes, does nothing of its work."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.__dict__["network"] = network  # no part of this one: it is not to be switched to training

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["network"], name)


@contextmanager
def in_place_of(owner: nn.Module, name: str, stand_in: nn.Module) -> Iterator[None]:
    """`owner.name` is `stand_in` inside; modes of training are afterwards as before."""
    original, training = owner._modules[name], owner.training
    owner._modules[name] = stand_in
    try:
        with torch.no_grad():
            yield
    finally:
        owner._modules[name] = original
        owner.train(training)


def inference_inputs(
    probe: NetworkProbe, images: Sequence[Path], recipe: Recipe, device: str
) -> Iterator[NDArray[np.float64]]:
    """(H, W, 3) RGB in 0..1, as `predict` has it; a picture at a time."""
    for path in images:
        batch = load([path], recipe.input_size).to(device)
        yield _plain(probe.network_inputs(batch, training=False)[0])


def training_inputs(
    probe: NetworkProbe, trainable: Trainable, examples: Sequence[Example], recipe: Recipe, device: str
) -> Iterator[NDArray[np.float64]]:
    """The same as `fit` has it."""
    one = _still(recipe, batch_size=1)
    for example in examples:
        loader, _ = feed.training([example], one, 0, device, trainable.augment)
        for batch in loader:
            yield _plain(probe.network_inputs(batch.to(device), training=True)[0])


def round_trip(
    probe: NetworkProbe, examples: Sequence[Example], recipe: Recipe, device: str
) -> Iterator[Detections]:
    """Detections in pixels of the pictures."""
    for batch in feed.validation(examples, _still(recipe, batch_size=BATCH), device):
        yield from in_originals(probe.round_trip(batch.to(device)), batch)


def _still(recipe: Recipe, *, batch_size: int) -> Recipe:
    return recipe.model_copy(update={"flip": 0.0, "multi_scale": 0.0, "batch_size": batch_size, "workers": 0})


def _plain(normalised: Tensor) -> NDArray[np.float64]:
    pixels = normalised.detach().double().cpu().permute(1, 2, 0).numpy()
    return np.asarray(pixels * np.array(_STD) + np.array(_MEAN), dtype=np.float64)
