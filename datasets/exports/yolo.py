"""YOLO: data.yaml, images/SPLIT and labels/SPLIT."""

from collections.abc import Iterator
from pathlib import Path

from bench.datasets.dataset import Dataset
from bench.datasets.exports.part import Part
from bench.datasets.layout import write_data_yaml
from bench.datasets.split_files import SplitFiles
from bench.layout import SplitName


def images_dir(root: Path, split: SplitName) -> Path:
    return root / "images" / split


def write(root: Path, parts: list[Part]) -> None:
    """A label file for each image, empty for background."""
    for part in parts:
        rows = SplitFiles(part.dataset, part.rows, part.file_names)
        rows.write_labels(root / "labels" / part.split, lambda done, total: None)
    write_data_yaml(root / "data.yaml", parts[0].dataset.classes)


def losses(dataset: Dataset) -> Iterator[str]:
    """YOLO knows no crowds."""
    crowds = int(dataset.boxes.crowd.sum())
    if crowds:
        yield f"{crowds:,} crowd regions are left out: YOLO txt can't mark them"
