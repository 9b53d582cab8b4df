"""The data that a family is checked on."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.layout import Layout

_ODD_SIZES_WH = ((67, 41), (33, 97), (300, 20))


def layout(folder: Path) -> Layout:
    """Two dozen generated images. The test split is deleted, so that opening it fails."""
    config = DataConfig(source="synthetic", synthetic=SyntheticConfig(images=24, size=64))
    written = prepare(config, folder)
    written.coco_path("test").unlink()
    shutil.rmtree(written.images_dir("test"))
    shutil.rmtree(written.labels_dir("test"))
    return written


def images(folder: Path, data: Layout) -> list[Path]:
    """Two images of val, and noise of odd sizes, one of them grey."""
    folder.mkdir()
    paths = [example.path for example in data.examples("val")[:2]]
    random = np.random.default_rng(0)
    for number, (width, height) in enumerate(_ODD_SIZES_WH):
        shape = (height, width) if number == 0 else (height, width, 3)
        noise = random.integers(0, 256, shape, dtype=np.uint8)
        path = folder / f"odd{number}.png"
        Image.fromarray(noise).save(path)
        paths.append(path)
    return paths


def files(folder: Path, but: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time of every file below `folder`, but not below `but`."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(but)
    }
