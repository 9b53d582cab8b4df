"""Training pictures in batches: order, flips and sizes are drawn from the seed and the epoch alone.

So an epoch is the same whether it is the first after a resume or not, and however many processes load it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from bench.adapters.loop import pictures
from bench.adapters.loop.pictures import Pixels
from bench.adapters.loop.trainable import Batch, Target
from bench.layout import Example
from bench.recipe import Recipe

CACHE_BYTES = 256 * 2**20
"""Pictures are kept in memory, at the network's size, if all of them together need no more than this."""

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

    def __init__(self, examples: Sequence[Example], *, keep_at: int | None) -> None:
        """`keep_at`: the one long side that will be asked for, if pictures may be kept in memory."""
        self._examples = examples
        self._kept: dict[int, Pixels] | None = None
        if keep_at is not None:
            sizes = (pictures.fitted(example.size_wh, keep_at) for example in examples)
            self._kept = {} if sum(3 * width * height for width, height in sizes) <= CACHE_BYTES else None

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
        if self._kept is None:
            return pictures.read(self._examples[order.index].path, order.long_side)[0]
        if order.index not in self._kept:
            self._kept[order.index] = pictures.read(self._examples[order.index].path, order.long_side)[0]
        return self._kept[order.index]


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
    keep_at = None if recipe.multi_scale else _long_side(recipe)
    return _loader(examples, epochs, recipe.workers, device, keep_at), epochs


def validation(examples: Sequence[Example], recipe: Recipe, device: str) -> DataLoader[Batch]:
    """Batches of `examples` in order, as they are, at the recipe's size."""
    side, size = _long_side(recipe), recipe.batch_size
    orders = [Order(index, side, flip=False) for index in range(len(examples))]
    batches = [orders[start : start + size] for start in range(0, len(orders), size)]
    return _loader(examples, batches, recipe.workers, device, side)


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
    examples: Sequence[Example],
    batches: Epochs | list[list[Order]],
    workers: int,
    device: str,
    keep_at: int | None,
) -> DataLoader[Batch]:
    return DataLoader(
        # Each process would keep a copy of its own.
        Pictures(examples, keep_at=None if workers else keep_at),
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
