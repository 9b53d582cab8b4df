"""Test patterns for the gates: generated images with known boxes and colours, odd sizes and odd file formats.

They are written as COCO json and go through the same preparation as any data: the image that is stored
    rotated,
with an EXIF orientation, reaches the model as every such image does.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.boxes import Boxes, xyxy_to_xywh
from bench.data_config import DataConfig
from bench.datasets import prepare
from bench.layout import CATEGORY_OFFSET, Layout, SplitName

BOXES = 3
"""Per image: fewer than any sensible number of queries."""

ORIENTATION_TAG = 0x0112  # EXIF 2.3, 4.6.4
ROTATE_90_CW = 6
"""To be displayed rotated by 90 degrees clockwise, as telephones store upright photos."""

QUADRANTS = ((210, 50, 30), (40, 170, 60), (30, 60, 220), (230, 200, 40))
"""RGB of the colour pattern: top left, top right, bottom left, bottom right. Any other channel order changes
them."""

_BACKGROUND = (150, 120, 90)
_SIZES_WH = ((97, 61), (61, 97), (50, 130), (130, 48), (160, 120))
_SHORT_SHARE = 0.34
"""Side of a box, as a share of the image's short side: at least 8 pixels at any allowed input size."""


@dataclass(frozen=True)
class Pattern:
    """One image to draw."""

    name: str
    size_wh: tuple[int, int]
    boxes_xyxy: Boxes  # (BOXES, 4)
    labels: NDArray[np.int64]  # (BOXES,)
    grey: bool = False
    rotated: bool = False


def write(folder: Path, classes: Sequence[str], batch: int) -> Layout:
    """The layout below `folder`: `batch` images in train, the odd ones in val, the colour pattern in test."""
    odd = [*(_pattern(f"odd{n}.png", size, n, len(classes)) for n, size in enumerate(_SIZES_WH))]
    odd.append(_pattern("grey.png", (97, 61), 5, len(classes), grey=True))
    odd.append(_pattern("rotated.jpg", (83, 131), 6, len(classes), rotated=True))
    train = [
        _first_box_only(_pattern(f"batch{n}.png", _SIZES_WH[n % 2], n + 7, len(classes)))
        for n in range(batch)
    ]
    colours = _pattern("colours.png", (97, 61), 1, len(classes))
    parts: dict[SplitName, list[Pattern]] = {"train": train, "val": odd, "test": [colours]}
    source = folder / "source"
    source.mkdir(parents=True)
    annotations: dict[SplitName, Path] = {}
    for split, patterns in parts.items():
        for pattern in patterns:
            _draw(pattern).save(source / pattern.name, **_save_options(pattern))
        annotations[split] = Path(f"{split}.json")
        (source / f"{split}.json").write_text(json.dumps(_coco(patterns, classes)), encoding="utf-8")
    config = DataConfig(source="coco", path=source, annotations=annotations)
    return prepare(config, folder / "cache")


def _pattern(
    name: str,
    size_wh: tuple[int, int],
    number: int,
    classes: int,
    *,
    grey: bool = False,
    rotated: bool = False,
) -> Pattern:
    """Boxes in a row along the long side: all different, not on whole pixels, touching neither each other nor
    the border; labels cycle through the classes."""
    random = np.random.default_rng([number, *size_wh])
    long = int(size_wh[1] > size_wh[0])  # the axis: 0 is x
    side = min(_SHORT_SHARE * min(size_wh), 0.28 * max(size_wh))
    cell = max(size_wh) / BOXES
    boxes = np.zeros((BOXES, 4))
    for place in range(BOXES):
        along = place * cell + random.uniform(0.02, 0.98) * (cell - side)
        across = random.uniform(0.05, 0.6) * min(size_wh)
        start = np.array([along, across] if long == 0 else [across, along])
        boxes[place] = [*start, *(start + side * random.uniform(0.93, 1.0, 2))]
    spread = np.linspace(0, classes - 1, 7).round().astype(np.int64)
    labels = spread[(number * BOXES + np.arange(BOXES)) % len(spread)]
    return Pattern(name, size_wh, boxes.round(2), labels, grey, rotated)


def _first_box_only(pattern: Pattern) -> Pattern:
    """With its first box only, which any number of queries can learn."""
    return replace(pattern, boxes_xyxy=pattern.boxes_xyxy[:1], labels=pattern.labels[:1])


def _draw(pattern: Pattern) -> Image.Image:
    """The pixels as stored in the file."""
    width, height = pattern.size_wh
    pixels = np.full((height, width, 3), _BACKGROUND, dtype=np.uint8)
    if pattern.name.startswith("colours"):
        for index, colour in enumerate(QUADRANTS):
            row, column = divmod(index, 2)
            rows = slice(row * height // 2, (row + 1) * height // 2 if row == 0 else height)
            columns = slice(column * width // 2, (column + 1) * width // 2 if column == 0 else width)
            pixels[rows, columns] = colour
    else:
        for box, label in zip(pattern.boxes_xyxy.round().astype(int), pattern.labels, strict=True):
            pixels[box[1] : box[3], box[0] : box[2]] = np.random.default_rng(int(label)).integers(0, 256, 3)
    drawn = Image.fromarray(pixels)
    if pattern.rotated:  # viewers rotate it back
        drawn = drawn.transpose(Image.Transpose.ROTATE_90)
    return drawn.convert("L") if pattern.grey else drawn


def _save_options(pattern: Pattern) -> dict[str, Any]:
    if not pattern.rotated:
        return {}
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = ROTATE_90_CW
    return {"exif": exif, "quality": 95}


def _coco(patterns: Sequence[Pattern], classes: Sequence[str]) -> dict[str, object]:
    """Sizes and boxes of the upright image, as annotation tools write them."""
    rows = [
        (number, box, int(label))
        for number, pattern in enumerate(patterns, start=1)
        for box, label in zip(xyxy_to_xywh(pattern.boxes_xyxy).tolist(), pattern.labels, strict=True)
    ]
    return {
        "images": [
            {
                "id": number,
                "file_name": pattern.name,
                "width": pattern.size_wh[0],
                "height": pattern.size_wh[1],
            }
            for number, pattern in enumerate(patterns, start=1)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": label + CATEGORY_OFFSET,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for number, (image, box, label) in enumerate(rows, start=1)
        ],
        "categories": [{"id": index + CATEGORY_OFFSET, "name": name} for index, name in enumerate(classes)],
    }
