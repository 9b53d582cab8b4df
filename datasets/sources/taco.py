"""TACO (Proença and Simões, arXiv:2003.06975), and other labellings of its pictures.

COCO json with the images in batch_1 to batch_15; `data.annotations` may be another labelling of the same
images, such as detect-waste's, with `data.images` set to TACO's folder. `data.classes: taco-7` merges its 60
classes into seven.
"""

from dataclasses import replace
from pathlib import Path

from bench.data_config import DataConfig
from bench.datasets.dataset import Source
from bench.datasets.sources import coco, folders

_USUAL = ("annotations.json", "data/annotations.json")
"""In the image folder, and in a clone of TACO's repository."""


def read(config: DataConfig, workdir: Path) -> Source:
    """As `coco.read`. Images that were never downloaded or released are dropped and listed."""
    root = folders.existing(config.path)
    there = [Path(name) for name in _USUAL if (root / name).is_file()]
    if config.annotations is None and there:
        config = config.model_copy(update={"annotations": there[0]})
    source = coco.read(config, workdir, format_name="taco")
    return replace(source, metadata={**source.metadata, "licence": "CC BY 4.0, Proença and Simões"})
