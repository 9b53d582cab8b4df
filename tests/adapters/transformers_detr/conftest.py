"""A small batch, and detectors of every architecture."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from bench import registry
from bench.adapters.loop.feed import LoadedImage, collate
from bench.adapters.loop.trainable import Batch, Target
from bench.recipe import Recipe

FAMILIES = [name for name, home in registry.DETECTORS.items() if "transformers_detr" in home]
CLASSES = ("brick", "leaf", "sky")
SIDE = 64


@pytest.fixture(params=FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make() -> Callable[..., Any]:
    """A detector with random weights; settings that are no options are the recipe's."""

    def build(name: str, classes: tuple[str, ...] = CLASSES, weights: str = "none", **recipe: Any) -> Any:
        family: Any = registry.family(name)
        options = recipe.pop("options", {})
        settings = {"epochs": 1, "batch_size": 2, "image_size": SIDE, **recipe}
        plan = family.plan(variant="tiny", weights=weights, options=options, recipe=Recipe(**settings))
        return family.build(plan, classes=classes, seed=0, device="cpu")

    return build


@pytest.fixture
def batch() -> Batch:
    """Two images of different shapes; two objects, none."""
    random = np.random.default_rng(0)
    boxes = torch.tensor([[3.0, 5.0, 33.0, 35.0], [10.0, 1.0, 20.0, 39.0]])
    targets = (
        Target(boxes, torch.tensor([2, 0])),
        Target(torch.zeros((0, 4)), torch.zeros(0, dtype=torch.int64)),
    )
    return collate(
        [
            LoadedImage(random.integers(0, 256, (height, width, 3), dtype=np.uint8), (width, height), target)
            for (width, height), target in zip(((64, 40), (40, 48)), targets, strict=True)
        ]
    )


@pytest.fixture
def alone(batch: Batch) -> Callable[[int], Batch]:
    """One image of `batch` in a batch of its own, without the padding that the other one brings."""

    def one(row: int) -> Batch:
        width, height = batch.sizes_wh[row]
        pixels = batch.pixels[row : row + 1, :, :height, :width]
        return Batch(pixels, ((width, height),), ((width, height),), (batch.targets[row],))

    return one
