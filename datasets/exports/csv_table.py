"""A csv with one box per row, over the folder images."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.datasets.dataset import Dataset
from bench.datasets.exports.part import Part
from bench.layout import SplitName

COLUMNS = ("image", "width", "height", "split", "class", "xmin", "ymin", "xmax", "ymax")


def images_dir(root: Path, split: SplitName) -> Path:
    return root / "images" / split


def write(root: Path, parts: list[Part]) -> None:
    """A background image has one row without class and box."""
    with (root / "boxes.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for part in parts:
            for name, size_wh, boxes in part.images():
                head = [f"images/{part.split}/{name}", *size_wh, part.split]
                real = boxes.take(~boxes.crowd)
                rows.writerows(
                    [*head, part.dataset.classes[label], *(f"{side:.10g}" for side in xyxy)]
                    for label, xyxy in zip(real.label.tolist(), real.xyxy.tolist(), strict=True)
                )
                if not len(real):
                    rows.writerow([*head, "", "", "", "", ""])


def losses(dataset: Dataset) -> Iterator[str]:
    """The table has no list of classes, and no crowds."""
    crowds = int(dataset.boxes.crowd.sum())
    if crowds:
        yield f"{crowds:,} crowd regions are left out: the csv has no column for them"
    unused = len(dataset.classes) - len(np.unique(dataset.boxes.label[~dataset.boxes.crowd]))
    if unused:
        yield f"{unused:,} classes without a box are left out: the csv has no list of classes"
