"""The synthetic source: generated scenes with a seed; the embedded default."""

from pathlib import Path

import numpy as np

from bench import files
from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets.dataset import NO_SPLIT, BoxTable, Dataset, Images, Source
from bench.datasets.sources import scenes

DRAWING = 1
"""Incremented when the generated scenes change, so that older cached images are not reused."""


def read(config: DataConfig, workdir: Path) -> Source:
    """Generate `config.synthetic` in `workdir`, or reuse the images that are there."""
    options = config.synthetic
    drawn = [scenes.draw(options.seed, index, options.size) for index in range(options.images)]
    names = [f"{index:06d}.png" for index in range(options.images)]
    folder = workdir / f"synthetic-{DRAWING}-{options.images}x{options.size}-seed{options.seed}"
    if not folder.is_dir():
        _write(folder, names, drawn)
    return Source(
        dataset=Dataset(
            classes=tuple(shape_class.name for shape_class in scenes.SHAPES),
            images=Images.of(
                names=names,
                paths=[str(folder / name) for name in names],
                sizes_wh=[(options.size, options.size)] * options.images,
                splits=[NO_SPLIT] * options.images,
            ),
            boxes=BoxTable.of(
                image=np.repeat(np.arange(options.images), [len(scene.labels) for scene in drawn]),
                label=np.concatenate([scene.labels for scene in drawn]),
                xyxy=np.concatenate([scene.boxes_xyxy for scene in drawn]),
            ),
        ),
        known_good=True,
        metadata=_metadata(options),
    )


def _write(folder: Path, names: list[str], drawn: list[scenes.DrawnImage]) -> None:
    """All images or none."""
    files.sweep(folder.parent, ".synthetic-*.????????")
    with files.replacing_folder(folder, finished=folder.is_dir) as fresh:
        for name, scene in zip(names, drawn, strict=True):
            (fresh / name).write_bytes(scenes.png(scene.pixels))


def _metadata(options: SyntheticConfig) -> dict[str, object]:
    return {
        "format": "synthetic",
        "options": options.model_dump(),
        "drawing": DRAWING,
        "licence": "Apache-2.0, drawn by this project",
    }
