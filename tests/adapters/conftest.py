"""What the tests of the adapters share."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bench.layout import Layout

COLOURS = {"brick": (200, 60, 40), "leaf": (60, 170, 70)}


@pytest.fixture(scope="session")
def yolo_scenes(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """24 + 8 + 6 pictures of one or two coloured boxes on grey, of odd sizes, some grey, some empty; a crowd.

    Its txt labels say exactly what its json says, and `data.yaml` leads ultralytics itself to them.
    """
    root = tmp_path_factory.mktemp("scenes")
    random = np.random.default_rng(0)
    for split, count in (("train", 24), ("val", 8), ("test", 6)):
        _write_split(root, split, count, random)
    (root / "manifest.json").write_text(json.dumps({"classes": list(COLOURS)}), encoding="utf-8")
    (root / "data.yaml").write_text(
        f"path: {root}\ntrain: images/train\nval: images/val\ntest: images/test\nnames: {list(COLOURS)}\n",
        encoding="utf-8",
    )
    return Layout.open(root)


def _write_split(root: Path, split: str, count: int, random: np.random.Generator) -> None:
    for folder in ("images", "labels"):
        (root / folder / split).mkdir(parents=True)
    (root / "annotations").mkdir(exist_ok=True)
    images, annotations = [], []
    for image_id in range(1, count + 1):
        width, height = (int(side) for side in random.integers(60, 100, size=2))
        image = Image.new("RGB", (width, height), (128, 128, 128))
        rows = []
        for _ in range(0 if image_id % 6 == 0 else int(random.integers(1, 3))):
            label = int(random.integers(2))
            w, h = (int(side) for side in random.integers(18, 40, size=2))
            x, y = int(random.integers(0, width - w)), int(random.integers(0, height - h))
            ImageDraw.Draw(image).rectangle((x, y, x + w - 1, y + h - 1), fill=list(COLOURS.values())[label])
            rows.append((label, x, y, w, h))
            annotations.append(_annotation(annotations, image_id, rows[-1]))
        if split == "train" and image_id == 1:  # in the json alone: a txt can't say crowd
            annotations.append({**_annotation(annotations, image_id, (0, 0, 0, width, height)), "iscrowd": 1})
        name = f"scene {image_id}.png"
        (image.convert("L") if image_id % 4 == 0 else image).save(root / "images" / split / name)
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        (root / "labels" / split / name).with_suffix(".txt").write_text(
            "".join(
                f"{c} {(x + w / 2) / width!r} {(y + h / 2) / height!r} {w / width!r} {h / height!r}\n"
                for c, x, y, w, h in rows
            ),
            encoding="utf-8",
        )
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(COLOURS)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations" / f"{split}.json").write_text(json.dumps(coco), encoding="utf-8")


def _annotation(before: list[dict], image_id: int, row: tuple[int, ...]) -> dict:
    label, *box = row
    return {
        "id": len(before) + 1,
        "image_id": image_id,
        "category_id": label + 1,
        "bbox": [float(value) for value in box],
        "area": float(box[2] * box[3]),
        "iscrowd": 0,
    }
