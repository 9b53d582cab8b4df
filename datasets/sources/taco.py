"""TACO (Proença and Simões, arXiv:2003.06975), and other labellings of its pictures.

COCO json whose pictures lie in batch_1 to batch_15; `data.annotations` may name another labelling of the same
pictures, such as detect-waste's, with `data.images` as TACO's folder. `data.classes: taco-7` merges its 60
classes to seven.
"""

from dataclasses import replace
from pathlib import Path

from bench.data_config import DataConfig
from bench.datasets.dataset import Source
from bench.datasets.sources import coco, folders

_USUAL = ("annotations.json", "data/annotations.json")
"""In the pictures' folder, and in a clone of TACO's repository."""


def read(config: DataConfig, workroom: Path) -> Source:
    """As `coco.read`. Pictures that were never downloaded, or released, are left out and listed."""
    root = folders.existing(config.path)
    there = [Path(name) for name in _USUAL if (root / name).is_file()]
    if config.annotations is None and there:
        config = config.model_copy(update={"annotations": there[0]})
    source = coco.read(config, workroom, format_name="taco")
    return replace(source, account={**source.account, "licence": "CC BY 4.0, Proença and Simões"})
