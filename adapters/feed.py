"""Training pictures in batches: order, flips and sizes are drawn from the seed and the epoch alone.

So an epoch is the same whether it is the first after a resume or not, and however many processes load it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from bench.adapters import pictures
from bench.adapters.pictures import Pixels
from bench.adapters.trainable import Batch, Target
from bench.layout import Example
from bench.recipe import Recipe

CACHE_BYTES = 256 * 2**20
"""Decoded pictures are kept in memory if all of them together need no more than this."""

_SMALLEST_SIDE = 32
"""Multi-scale goes no lower: the backbones shrink a picture 32 times."""


@dataclass(frozen=True)
class Order:
    """One picture as it is wanted."""

    index: int
    long_side: int
    flip: bool


@dataclass(frozen=True)
class Loaded:
    """One picture at the network's size, with its ground truth there."""

    pixels: Pixels  # (h, w, 3)
    original_wh: tuple[int, int]
    target: Target


class Pictures(Dataset[Any]):
    """Examples, loaded to order."""

    def __init__(self, examples: Sequence[Example], *, keep: bool) -> None:
        self._examples = examples
        size = sum(3 * example.size_wh[0] * example.size_wh[1] for example in examples)
        self._kept: dict[int, Pixels] | None = {} if keep and size <= CACHE_BYTES else None

    def __getitem__(self, order: Order) -> Loaded:
        example = self._examples[order.index]
        pixels = self._pixels(order)
        height, width, _ = pixels.shape
        real = ~example.crowd
        boxes = example.boxes_xyxy[real] * (np.array([width, height] * 2) / np.array(example.size_wh * 2))
        if order.flip:
            pixels = pixels[:, ::-1]
            boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
        target = Target(torch.from_numpy(boxes).float(), torch.from_numpy(example.labels[real]))
        return Loaded(pixels, example.size_wh, target)

    def _pixels(self, order: Order) -> Pixels:
        path = self._examples[order.index].path
        if self._kept is None:
            return pictures.read(path, order.long_side)[0]
        if order.index not in self._kept:
            self._kept[order.index] = pictures.read(path)[0]
        return pictures.resized(self._kept[order.index], order.long_side)


class Epochs(Sampler[list[Order]]):
    """The batches of the epoch that `epoch` names: shuffled, flipped and scaled as the recipe says."""

    def __init__(self, count: int, recipe: Recipe, seed: int) -> None:
        self.epoch = 1
        self._count = count
        self._recipe = recipe
        self._seed = seed

    def __len__(self) -> int:
        return -(-self._count // self._recipe.batch_size)

    def __iter__(self) -> Iterator[list[Order]]:
        recipe = self._recipe
        long_side = _long_side(recipe)
        random = np.random.default_rng([self._seed, self.epoch])
        order = random.permutation(self._count)
        flips = random.random(self._count) < recipe.flip
        scales = random.uniform(1 - recipe.multi_scale, 1 + recipe.multi_scale, len(self))
        for number, start in enumerate(range(0, self._count, recipe.batch_size)):
            side = max(_SMALLEST_SIDE, round(long_side * scales[number]))
            rows = range(start, min(start + recipe.batch_size, self._count))
            yield [Order(int(order[row]), side, bool(flips[row])) for row in rows]


def training(
    examples: Sequence[Example], recipe: Recipe, seed: int, device: str
) -> tuple[DataLoader[Batch], Epochs]:
    """Batches of `examples`; set the sampler's `epoch` before each pass."""
    epochs = Epochs(len(examples), recipe, seed)
    return _loader(examples, epochs, recipe.workers, device), epochs


def validation(examples: Sequence[Example], recipe: Recipe, device: str) -> DataLoader[Batch]:
    """Batches of `examples` in order, as they are, at the recipe's size."""
    orders = [Order(index, _long_side(recipe), flip=False) for index in range(len(examples))]
    batches = [
        orders[start : start + recipe.batch_size] for start in range(0, len(orders), recipe.batch_size)
    ]
    return _loader(examples, batches, recipe.workers, device)


def collate(loaded: Sequence[Loaded]) -> Batch:
    """Pad to the largest."""
    height = max(one.pixels.shape[0] for one in loaded)
    width = max(one.pixels.shape[1] for one in loaded)
    pixels = np.zeros((len(loaded), height, width, 3), dtype=np.uint8)
    for row, one in enumerate(loaded):
        pixels[row, : one.pixels.shape[0], : one.pixels.shape[1]] = one.pixels
    return Batch(
        pixels=torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(),
        sizes_wh=tuple((one.pixels.shape[1], one.pixels.shape[0]) for one in loaded),
        original_wh=tuple(one.original_wh for one in loaded),
        targets=tuple(one.target for one in loaded),
    )


def _loader(
    examples: Sequence[Example], batches: Epochs | list[list[Order]], workers: int, device: str
) -> DataLoader[Batch]:
    return DataLoader(
        Pictures(examples, keep=workers == 0),  # each process would keep a copy of its own
        batch_sampler=batches,
        collate_fn=collate,
        generator=torch.Generator(),  # else a number is taken from the training's own
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,  # a fork of threads may hang
        pin_memory=device != "cpu",
    )


def _long_side(recipe: Recipe) -> int:
    assert recipe.image_size is not None, "the loop takes resolved recipes"
    return recipe.image_size
