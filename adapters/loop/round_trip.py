"""What the gates ask of the loop's detectors; for the boxes, with an `OracleNetwork` as the network.

All else that runs is the family's own code, so a box or a class that comes back changed is its fault.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.adapters.loop import feed
from bench.adapters.loop.inference import load, to_original_pixels
from bench.adapters.loop.oracle import OracleNetwork
from bench.adapters.loop.trainable import Normalisation, Trainable
from bench.detector import Detections
from bench.layout import Example
from bench.recipe import Recipe

BATCH = 2
"""Two images of different shapes in a batch: an adapter that forgets about the padding shows."""


def inference_inputs(
    trainable: Trainable, images: Sequence[Path], recipe: Recipe, device: str
) -> Iterator[NDArray[np.float64]]:
    """What `predict` gives to the network for each image, (H, W, 3) RGB in 0..1."""
    for path in images:
        batch = load([path], recipe.input_size).to(device)
        with _replaced(trainable) as oracle:
            trainable.eval()
            trainable.detect(batch)
        yield _without_normalisation(oracle.inputs[0], trainable.normalisation)


def training_inputs(
    trainable: Trainable, examples: Sequence[Example], recipe: Recipe, device: str
) -> Iterator[NDArray[np.float64]]:
    """What `fit` gives to the network for each image, (H, W, 3) RGB in 0..1."""
    one = _without_augmentation(recipe, batch_size=1)
    for example in examples:
        loader, _ = feed.training([example], one, 0, device, trainable.augment)
        for batch in loader:
            with _replaced(trainable) as oracle:
                trainable.train()
                trainable(batch.to(device))
            yield _without_normalisation(oracle.inputs[0], trainable.normalisation)


def round_trip(
    trainable: Trainable, examples: Sequence[Example], recipe: Recipe, device: str
) -> Iterator[Detections]:
    """The ground truth as detections, through training and prediction; in pixels of the images."""
    loader = feed.validation(examples, _without_augmentation(recipe, batch_size=BATCH), device)
    for batch in loader:
        there = batch.to(device)
        with _replaced(trainable):
            trainable.train()
            trainable(there)
            trainable.eval()
            found = trainable.detect(there)
        yield from to_original_pixels(found, batch)


@contextmanager
def _replaced(trainable: Trainable) -> Iterator[OracleNetwork]:
    """Inside, an oracle is in the place of the network; afterwards all is as before."""
    oracle = trainable.oracle()
    network, training = oracle.network, trainable.training
    name = next(name for name, child in trainable.named_children() if child is network)
    trainable._modules[name] = oracle
    try:
        with torch.no_grad():
            yield oracle
    finally:
        trainable._modules[name] = network
        trainable.train(training)


def _without_augmentation(recipe: Recipe, *, batch_size: int) -> Recipe:
    return recipe.model_copy(update={"flip": 0.0, "multi_scale": 0.0, "batch_size": batch_size, "workers": 0})


def _without_normalisation(pixels: Tensor, used: Normalisation) -> NDArray[np.float64]:
    rgb = pixels.detach().double().cpu().permute(1, 2, 0).numpy()
    return np.asarray(rgb * np.array(used.std) + np.array(used.mean), dtype=np.float64)
