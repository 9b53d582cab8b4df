"""Small datasets on disk, made to measure."""

import functools
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.data_config import DataConfig

SIZE_WH = (64, 48)


def noise(size_wh: tuple[int, int], seed: int) -> Image.Image:
    """A picture with no two pixels alike, so that a turn or a cut can't go unseen."""
    dice = np.random.default_rng(seed)
    return Image.fromarray(dice.integers(0, 256, (size_wh[1], size_wh[0], 3), dtype=np.uint8))


@functools.cache
def encoded(size_wh: tuple[int, int], seed: int) -> bytes:
    content = io.BytesIO()
    noise(size_wh, seed).save(content, format="PNG", compress_level=1)
    return content.getvalue()


def draw(path: Path, size_wh: tuple[int, int] = SIZE_WH, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(size_wh, seed))


class CocoFolder:
    """A COCO dataset that is sound: `count` PNGs of 64 x 48, two boxes each, three classes."""

    def __init__(self, root: Path, count: int = 20) -> None:
        self.root = root
        self.categories: list[dict[str, Any]] = [
            {"id": 5, "name": "cat"},
            {"id": 2, "name": "dog"},
            {"id": 9, "name": "emu"},
        ]
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        for number in range(count):
            name = f"pics/{number:03d}.png"
            draw(root / name, seed=number)
            self.images.append(
                {"id": number + 1, "file_name": name, "width": SIZE_WH[0], "height": SIZE_WH[1]}
            )
            for second in range(2):
                category = self.categories[(number + second) % 3]["id"]
                self.box(number + 1, [4 + number % 7, 5 + second, 20.5, 10.25], category)
        self.write()

    def box(self, image_id: Any, bbox: Any, category_id: Any = 5, **more: Any) -> dict[str, Any]:
        """Add an annotation."""
        row = {
            "id": max((a["id"] for a in self.annotations), default=0) + 1,
            "image_id": image_id,
            "category_id": category_id,
            "bbox": bbox,
            "iscrowd": 0,
            **more,
        }
        self.annotations.append(row)
        return row

    def write(self, name: str = "annotations.json") -> None:
        tree = {"images": self.images, "annotations": self.annotations, "categories": self.categories}
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(json.dumps(tree), encoding="utf-8")

    def config(self, **more: Any) -> DataConfig:
        return DataConfig.model_validate({"source": "coco", "path": self.root, **more})


class YoloFolder:
    """A YOLO dataset that is sound: train, val and test with a box a picture, every fifth one background."""

    def __init__(
        self,
        root: Path,
        sizes: Mapping[str, int],
        names: Sequence[str] = ("cat", "dog"),
        seeds: bool = False,
    ) -> None:
        """`seeds`: no two pictures alike, and no class after another."""
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        for split, count in sizes.items():
            for number in range(count):
                text = "" if number % 5 == 4 else f"{number % len(names)} 0.5 0.5 0.25 0.5\n"
                seed = 1000 * len(split) + 100 * ord(split[0]) + number if seeds else number
                self.add(split, f"{split}{number:02d}", text, seed=seed)
        lines = [f"{split}: {split}/images" for split in sizes]
        self.yaml("\n".join([*lines, f"nc: {len(names)}", f"names: {list(names)}"]))

    def add(self, split: str, stem: str, text: str | None, seed: int = 0) -> None:
        """A picture and its labels; None writes no label file."""
        draw(self.root / split / "images" / f"{stem}.png", seed=seed)
        label = self.root / split / "labels" / f"{stem}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            label.write_text(text, encoding="utf-8")

    def yaml(self, text: str) -> None:
        (self.root / "data.yaml").write_text(text + "\n", encoding="utf-8")

    def config(self, **more: Any) -> DataConfig:
        return DataConfig.model_validate({"source": "yolo", "path": self.root, **more})


@pytest.fixture
def coco(tmp_path: Path) -> CocoFolder:
    return CocoFolder(tmp_path / "coco")


@pytest.fixture
def yolo(tmp_path: Path) -> YoloFolder:
    return YoloFolder(tmp_path / "yolo", {"train": 10, "val": 5, "test": 5})


@pytest.fixture
def make_yolo(tmp_path: Path) -> Callable[..., YoloFolder]:
    def make(sizes: Mapping[str, int], **more: Any) -> YoloFolder:
        return YoloFolder(tmp_path / "made", sizes, **more)

    return make


@pytest.fixture
def image() -> Callable[..., Image.Image]:
    """Noise: `image((w, h), seed)`."""
    return noise
