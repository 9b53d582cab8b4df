"""DETR's augmentation: random crops and sizes, drawn before an image is opened. Planning needs no torch.

Carion et al. 2020, appendix A.4; facebookresearch/detr, datasets/coco.py (make_coco_transforms): one half of
the images is resized, the other is resized, cropped and resized again. Its sizes are for an input of
800x1333; here they are scaled to the recipe's short side. Flips are the recipe's `flip`, for every family.

The two resizings of a crop are done as one, of its window in the original.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.boxes import Boxes, clip
from bench.errors import RecipeError
from bench.recipe import SMALLEST_SIDE, InputSize, Recipe
from bench.records import LedgerEntry

if TYPE_CHECKING:
    from bench.adapters.loop.images import Window

Augment = Literal["none", "paper"]

PAPER_SHORT_SIDE = 800
FINAL_SHORT_SIDES = tuple(range(480, 801, 32))
CROPPED_SHORT_SIDES = (400, 500, 600)
"""Of the whole image, before the crop."""
CROP_SIDES = (384, 600)
"""Smallest and largest side, inclusive; a crop is never larger than the image."""
CROP_SHARE = 0.5


@dataclass(frozen=True)
class Crop:
    """A crop of an image whose size is not known yet."""

    short_side: float  # of the whole image
    sides: tuple[float, float]  # of the crop: smallest and largest, at that size
    draws: tuple[float, float, float, float]  # width, height, left, top: each in 0..1

    def window(self, size_wh: tuple[int, int]) -> "Window":
        """The crop in pixels of an image of `size_wh`."""
        zoom = min(size_wh) / self.short_side
        least, largest = self.sides
        lengths, starts = [], []
        for side, length_draw, start_draw in zip(size_wh, self.draws[:2], self.draws[2:], strict=True):
            most = min(side, largest * zoom)
            length = min(least * zoom + length_draw * max(0.0, most - least * zoom), side)
            lengths.append(length)
            starts.append(start_draw * (side - length))
        (width, height), (left, top) = lengths, starts
        return left, top, min(left + width, size_wh[0]), min(top + height, size_wh[1])


def draw(
    random: np.random.Generator, count: int, size: InputSize
) -> tuple[Sequence[InputSize], Sequence[Crop | None]]:
    """For each of `count` images its input size, and the crop that precedes the resizing."""
    zoom = size.short / PAPER_SHORT_SIDE
    finals = random.choice(FINAL_SHORT_SIDES, count) / PAPER_SHORT_SIDE
    cropped = random.random(count) < CROP_SHARE
    wholes = random.choice(CROPPED_SHORT_SIDES, count) * zoom
    draws = random.random((count, 4))
    sizes = [InputSize(max(SMALLEST_SIDE, round(size.short * share)), size.long) for share in finals]
    sides = (CROP_SIDES[0] * zoom, CROP_SIDES[1] * zoom)
    crops = [
        Crop(float(whole), sides, (float(w), float(h), float(x), float(y))) if cut else None
        for whole, (w, h, x, y), cut in zip(wholes, draws, cropped, strict=True)
    ]
    return sizes, crops


def inside(boxes_xyxy: Boxes, window: "Window") -> tuple[Boxes, tuple[float, float]]:
    """Boxes (N, 4) of the whole image in pixels of the crop, clipped to it, and the crop's size.

    A box outside of it has an area of 0 then.
    """
    left, top, right, bottom = window
    size_wh = (right - left, bottom - top)
    moved = boxes_xyxy - np.array([left, top, left, top])
    return clip(moved, np.array(size_wh)), size_wh


def check(augment: Augment, recipe: Recipe) -> None:
    """Raises RecipeError for a setting of the recipe that contradicts the augmentation."""
    if augment == "paper" and recipe.multi_scale:
        raise RecipeError(
            "augment: paper draws the sizes itself",
            record="train.multi_scale",
            value=recipe.multi_scale,
            hint="leave one of them out",
        )


def ledger(augment: Augment, recipe: Recipe) -> tuple[LedgerEntry, ...]:
    """Entries for the report. `recipe` is resolved."""
    if augment == "none":
        return ()
    size = recipe.input_size
    low, high = (
        round(size.short * side / PAPER_SHORT_SIDE) for side in (FINAL_SHORT_SIDES[0], PAPER_SHORT_SIDE)
    )
    return (
        LedgerEntry(
            setting="augmentation",
            asked=f"flip {recipe.flip:g}",
            used=f"flip {recipe.flip:g}, short sides of {low} to {high} within {size.long}, "
            "crops of one picture in two",
            why="option augment: what DETR's paper trains with",
        ),
    )
