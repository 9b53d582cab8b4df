"""Statistics of each split for the manifest: images, background, boxes by class and by size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.boxes import area
from bench.datasets.dataset import Dataset
from bench.layout import SPLITS

SMALL_AREA = 32.0**2
LARGE_AREA = 96.0**2
"""COCO's bounds between small, medium and large objects, in square pixels of the original image."""


def of_splits(dataset: Dataset, split: NDArray[np.int8]) -> dict[str, Any]:
    """By split name; crowds are counted separately, because they are not objects to train or score on."""
    return {name: _of(dataset.keep_images(split == number)) for number, name in enumerate(SPLITS)}


def _of(part: Dataset) -> dict[str, Any]:
    real = ~part.boxes.crowd
    counts = np.bincount(part.boxes.label[real], minlength=len(part.classes))
    areas = area(part.boxes.xyxy[real])
    has_box = np.unique(part.boxes.image[real])
    sides = part.images.sizes_wh
    return {
        "images": len(part.images),
        "background": len(part.images) - len(has_box),
        "boxes": int(real.sum()),
        "crowds": int((~real).sum()),
        "classes": {name: int(count) for name, count in zip(part.classes, counts, strict=True)},
        "sizes": {
            "small": int((areas < SMALL_AREA).sum()),
            "medium": int(((areas >= SMALL_AREA) & (areas <= LARGE_AREA)).sum()),
            "large": int((areas > LARGE_AREA).sum()),
        },
        "width_px": _range(sides[:, 0]),
        "height_px": _range(sides[:, 1]),
    }


def _range(sides: NDArray[np.int64]) -> dict[str, float]:
    if not len(sides):
        return {}
    return {"min": int(sides.min()), "median": float(np.median(sides)), "max": int(sides.max())}
