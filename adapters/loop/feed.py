"""Batches of images. In training, order, flips, sizes and crops depend on the seed and the epoch alone.

So an epoch is the same after a resume, and however many processes load it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from bench.adapters.loop import augment as augmentation
from bench.adapters.loop import images
from bench.adapters.loop.augment import Augment, Crop
from bench.adapters.loop.images import Pixels
from bench.adapters.loop.trainable import Batch, Target
from bench.adapters.training.ranks import SINGLE_RANK, Ranks
from bench.devices import on_gpu
from bench.feasibility import check_batch
from bench.layout import Example
from bench.recipe import InputSize, Recipe

CACHE_BYTES = 256 * 2**20
"""Images are cached in memory, at the network's size, if they need no more than this together."""


@dataclass(frozen=True)
class ImageRequest:
    """One image, and how it is to be loaded."""

    index: int
    size: InputSize
    flip: bool
    crop: Crop | None = None


@dataclass(frozen=True)
class LoadedImage:
    """One image at the network's size, with its ground truth in pixels of that."""

    pixels: Pixels  # (h, w, 3)
    original_wh: tuple[int, int]
    target: Target


class ImageDataset(Dataset[Any]):
    """Examples, loaded on request."""

    def __init__(self, examples: Sequence[Example], *, keep_at: InputSize | None) -> None:
        """`keep_at`: the only size that will be requested, if images may be cached."""
        self._examples = examples
        self._kept: dict[int, Pixels] | None = None
        if keep_at is not None:
            sizes = (keep_at.fit(example.size_wh) for example in examples)
            self._kept = {} if sum(3 * width * height for width, height in sizes) <= CACHE_BYTES else None

    def __getitem__(self, order: ImageRequest) -> LoadedImage:
        example = self._examples[order.index]
        pixels = self._pixels(order)
        height, width, _ = pixels.shape
        real = ~example.crowd
        boxes = example.boxes_xyxy[real]
        shown_wh: tuple[float, float] = example.size_wh
        if order.crop:
            boxes, shown_wh = augmentation.inside(boxes, order.crop.window(example.size_wh))
        boxes = boxes * (np.array([width, height] * 2) / np.array(shown_wh * 2))
        if order.flip:
            pixels = pixels[:, ::-1]
            boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
        target = Target(torch.from_numpy(boxes).float(), torch.from_numpy(example.labels[real]))
        return LoadedImage(pixels, example.size_wh, _with_area(target) if order.crop else target)

    def _pixels(self, order: ImageRequest) -> Pixels:
        example = self._examples[order.index]
        if order.crop:
            return images.read(example.path, order.size, order.crop.window(example.size_wh))[0]
        if self._kept is None:
            return images.read(example.path, order.size)[0]
        if order.index not in self._kept:
            self._kept[order.index] = images.read(example.path, order.size)[0]
        return self._kept[order.index]


def _with_area(target: Target) -> Target:
    """Without the boxes that a crop has left no area of."""
    left = (target.boxes_xyxy[:, 2:] > target.boxes_xyxy[:, :2]).all(dim=1)
    return Target(target.boxes_xyxy[left], target.labels[left])


class EpochSampler(Sampler[list[ImageRequest]]):
    """The batches of epoch `epoch`, shuffled, flipped and scaled by the recipe.

    An epoch ends after `limit` images: the last one of a training may be partial. Each of several ranks has
    its rows of every batch; of a last batch with fewer images than ranks, some ranks have none.
    """

    def __init__(
        self, count: int, recipe: Recipe, seed: int, augment: Augment = "none", ranks: Ranks = SINGLE_RANK
    ) -> None:
        self._ranks = ranks
        self.epoch = 1
        self.limit = count
        self._augment = augment
        self._count = count
        self._recipe = recipe
        self._seed = seed

    def __len__(self) -> int:
        return -(-self._count // self._recipe.batch)

    def __iter__(self) -> Iterator[list[ImageRequest]]:
        recipe = self._recipe
        random = np.random.default_rng([self._seed, self.epoch])
        order = random.permutation(self._count)
        flips = random.random(self._count) < recipe.flip
        scales = random.uniform(1 - recipe.multi_scale, 1 + recipe.multi_scale, len(self))
        by_batch = [recipe.input_size.scaled(scale) for scale in scales]
        sizes: Sequence[InputSize] = [size for size in by_batch for _ in range(recipe.batch)]
        crops: Sequence[Crop | None] = [None] * self._count
        if self._augment == "paper":
            sizes, crops = augmentation.draw(random, self._count, recipe.input_size)
        end = min(self.limit, self._count)
        for start in range(0, end, recipe.batch):
            batch = range(start, min(start + recipe.batch, end))
            rows = [batch[number] for number in self._ranks.rows(len(batch))]
            yield [ImageRequest(int(order[row]), sizes[row], bool(flips[row]), crops[row]) for row in rows]


def training(
    examples: Sequence[Example],
    recipe: Recipe,
    seed: int,
    device: str,
    augment: Augment = "none",
    ranks: Ranks = SINGLE_RANK,
) -> tuple[DataLoader[Batch], EpochSampler]:
    """Shuffled batches of `examples`; set the sampler's `epoch` before each pass.

    Raises RecipeError for a batch or an optimiser step that is larger than all of them together.
    """
    check_batch(recipe, len(examples))
    epochs = EpochSampler(len(examples), recipe, seed, augment, ranks)
    one_size = not recipe.multi_scale and augment == "none"
    return _loader(examples, epochs, recipe.workers, device, recipe.input_size if one_size else None), epochs


def validation(examples: Sequence[Example], recipe: Recipe, device: str) -> DataLoader[Batch]:
    """Batches of `examples` in order, without augmentation, at the recipe's size."""
    orders = [ImageRequest(index, recipe.input_size, flip=False) for index in range(len(examples))]
    batches = [orders[start : start + recipe.batch] for start in range(0, len(orders), recipe.batch)]
    return _loader(examples, batches, recipe.workers, device, recipe.input_size)


def collate(loaded: Sequence[LoadedImage]) -> Batch:
    """Pad to the largest; no images make an empty batch."""
    height = max((one.pixels.shape[0] for one in loaded), default=1)
    width = max((one.pixels.shape[1] for one in loaded), default=1)
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
    batches: EpochSampler | list[list[ImageRequest]],
    workers: int,
    device: str,
    keep_at: InputSize | None,
) -> DataLoader[Batch]:
    return DataLoader(
        # Each process would have a cache of its own.
        ImageDataset(examples, keep_at=None if workers else keep_at),
        batch_sampler=batches,
        collate_fn=collate,
        generator=torch.Generator(),  # else it draws from the global one
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,  # a fork of a process with threads may hang
        pin_memory=on_gpu(device),
    )
