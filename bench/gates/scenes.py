"""The made pictures that models are gated with: known boxes, known colours, odd sizes and odd files.

They are written as COCO json and go through the same preparation as any data, so the one that a camera
stored on its side reaches the model as every such picture does.
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
"""In each picture: fewer than any sensible number of queries."""

ORIENTATION_TAG = 0x0112  # EXIF 2.3, 4.6.4
STORED_ON_ITS_SIDE = 6
"""To be turned by 90 degrees clockwise, as telephones store what was taken upright."""

QUADRANTS = ((210, 50, 30), (40, 170, 60), (30, 60, 220), (230, 200, 40))
"""RGB of the colour picture: top left, top right, bottom left, bottom right. No channel order but the right
one gives these."""

_BACKGROUND = (150, 120, 90)
_SIZES_WH = ((97, 61), (61, 97), (50, 130), (130, 48), (160, 120))
_SHORT_SHARE = 0.34
"""Sides of a box, of the picture's short side: at least 8 pixels at any input size that is allowed."""


@dataclass(frozen=True)
class Scene:
    """One picture to be."""

    name: str
    size_wh: tuple[int, int]
    boxes_xyxy: Boxes  # (BOXES, 4)
    labels: NDArray[np.int64]  # (BOXES,)
    grey: bool = False
    turned: bool = False


def write(folder: Path, classes: Sequence[str], batch: int) -> Layout:
    """The layout below `folder`: `batch` pictures in train, the odd ones in val, the colours in test."""
    odd = [*(_scene(f"odd{n}.png", size, n, len(classes)) for n, size in enumerate(_SIZES_WH))]
    odd.append(_scene("grey.png", (97, 61), 5, len(classes), grey=True))
    odd.append(_scene("turned.jpg", (83, 131), 6, len(classes), turned=True))
    train = [_alone(_scene(f"batch{n}.png", _SIZES_WH[n % 2], n + 7, len(classes))) for n in range(batch)]
    colours = _scene("colours.png", (97, 61), 1, len(classes))
    parts: dict[SplitName, list[Scene]] = {"train": train, "val": odd, "test": [colours]}
    source = folder / "source"
    source.mkdir(parents=True)
    annotations: dict[SplitName, Path] = {}
    for split, scenes in parts.items():
        for scene in scenes:
            _draw(scene).save(source / scene.name, **_words(scene))
        annotations[split] = Path(f"{split}.json")
        (source / f"{split}.json").write_text(json.dumps(_coco(scenes, classes)), encoding="utf-8")
    config = DataConfig(source="coco", path=source, annotations=annotations)
    return prepare(config, folder / "cache")


def _scene(
    name: str,
    size_wh: tuple[int, int],
    number: int,
    classes: int,
    *,
    grey: bool = False,
    turned: bool = False,
) -> Scene:
    """Boxes in a row along the long side, neither on whole pixels nor alike, touching neither each other nor
    the frame; labels go round from the first class to the last."""
    random = np.random.default_rng([number, *size_wh])
    long = int(size_wh[1] > size_wh[0])  # the axis: 0 is x
    side = min(_SHORT_SHARE * min(size_wh), 0.28 * max(size_wh))
    room = max(size_wh) / BOXES
    boxes = np.zeros((BOXES, 4))
    for place in range(BOXES):
        along = place * room + random.uniform(0.02, 0.98) * (room - side)
        across = random.uniform(0.05, 0.6) * min(size_wh)
        start = np.array([along, across] if long == 0 else [across, along])
        boxes[place] = [*start, *(start + side * random.uniform(0.93, 1.0, 2))]
    spread = np.linspace(0, classes - 1, 7).round().astype(np.int64)
    labels = spread[(number * BOXES + np.arange(BOXES)) % len(spread)]
    return Scene(name, size_wh, boxes.round(2), labels, grey, turned)


def _alone(scene: Scene) -> Scene:
    """With one box, which any number of queries can learn."""
    return replace(scene, boxes_xyxy=scene.boxes_xyxy[:1], labels=scene.labels[:1])


def _draw(scene: Scene) -> Image.Image:
    """As it is stored."""
    width, height = scene.size_wh
    pixels = np.full((height, width, 3), _BACKGROUND, dtype=np.uint8)
    if scene.name.startswith("colours"):
        for index, colour in enumerate(QUADRANTS):
            row, column = divmod(index, 2)
            rows = slice(row * height // 2, (row + 1) * height // 2 if row == 0 else height)
            columns = slice(column * width // 2, (column + 1) * width // 2 if column == 0 else width)
            pixels[rows, columns] = colour
    else:
        for box, label in zip(scene.boxes_xyxy.round().astype(int), scene.labels, strict=True):
            pixels[box[1] : box[3], box[0] : box[2]] = np.random.default_rng(int(label)).integers(0, 256, 3)
    drawn = Image.fromarray(pixels)
    if scene.turned:  # viewers turn it back
        drawn = drawn.transpose(Image.Transpose.ROTATE_90)
    return drawn.convert("L") if scene.grey else drawn


def _words(scene: Scene) -> dict[str, Any]:
    if not scene.turned:
        return {}
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = STORED_ON_ITS_SIDE
    return {"exif": exif, "quality": 95}


def _coco(scenes: Sequence[Scene], classes: Sequence[str]) -> dict[str, object]:
    """Sizes and boxes are those of the upright picture, as annotation tools write them."""
    rows = [
        (number, box, int(label))
        for number, scene in enumerate(scenes, start=1)
        for box, label in zip(xyxy_to_xywh(scene.boxes_xyxy).tolist(), scene.labels, strict=True)
    ]
    return {
        "images": [
            {"id": number, "file_name": scene.name, "width": scene.size_wh[0], "height": scene.size_wh[1]}
            for number, scene in enumerate(scenes, start=1)
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
