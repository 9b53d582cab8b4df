"""COCO json: annotations/SPLIT.json over images/SPLIT."""

from collections.abc import Iterator
from pathlib import Path

from bench.datasets.dataset import Dataset
from bench.datasets.exports.part import Part
from bench.datasets.split_files import SplitFiles
from bench.layout import SplitName


def images_dir(root: Path, split: SplitName) -> Path:
    return root / "images" / split


def write(root: Path, parts: list[Part]) -> None:
    """One json per split; ids are unique over all of them."""
    image, box = 1, 1
    for part in parts:
        rows = SplitFiles(part.dataset, part.rows, part.file_names)
        rows.write_coco(root / "annotations" / f"{part.split}.json", (image, box))
        image, box = image + len(part.rows), box + len(rows.boxes)


def losses(dataset: Dataset) -> Iterator[str]:
    """Nothing that a dataset holds."""
    return iter(())
