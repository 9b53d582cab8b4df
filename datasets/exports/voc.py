"""Pascal VOC: JPEGImages, Annotations and ImageSets/Main."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np

from bench.datasets.dataset import BoxTable, Dataset
from bench.datasets.exports.part import Part
from bench.layout import SplitName


def images_dir(root: Path, split: SplitName) -> Path:
    return root / "JPEGImages"


def write(root: Path, parts: list[Part]) -> None:
    """An xml for each image, and the list of each split. Coordinates are continuous, not counted from 1."""
    (root / "Annotations").mkdir()
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for part in parts:
        for name, size_wh, boxes in part.images():
            tree = _tree(name, size_wh, boxes, part.dataset.classes)
            path = root / "Annotations" / f"{PurePosixPath(name).stem}.xml"
            path.write_bytes(ElementTree.tostring(tree, encoding="utf-8"))
        stems = "".join(f"{PurePosixPath(name).stem}\n" for name in part.file_names)
        (root / "ImageSets" / "Main" / f"{part.split}.txt").write_text(stems, encoding="utf-8")


def losses(dataset: Dataset) -> Iterator[str]:
    """VOC has no list of classes, and no crowds."""
    crowds = int(dataset.boxes.crowd.sum())
    if crowds:
        yield f"{crowds:,} crowd regions are marked `difficult`, which is the nearest that VOC has"
    used = np.unique(dataset.boxes.label)
    unused = [name for label, name in enumerate(dataset.classes) if label not in used]
    if unused:
        yield f"{len(unused):,} classes without a box are left out: VOC has no list of classes"
    odd = sum(name != name.strip() or not name.isprintable() for name in dataset.classes)
    if odd:
        yield f"{odd:,} class names have spaces at their ends or unprintable characters, which xml may lose"


def _tree(
    name: str, size_wh: tuple[int, int], boxes: BoxTable, classes: tuple[str, ...]
) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    _text(root, "filename", name)
    size = ElementTree.SubElement(root, "size")
    for key, value in zip(("width", "height", "depth"), (*size_wh, 3), strict=True):
        _text(size, key, str(value))
    _text(root, "segmented", "0")
    for label, xyxy, crowd in zip(
        boxes.label.tolist(), boxes.xyxy.tolist(), boxes.crowd.tolist(), strict=True
    ):
        entry = ElementTree.SubElement(root, "object")
        _text(entry, "name", "".join(letter if letter.isprintable() else "?" for letter in classes[label]))
        _text(entry, "difficult", str(int(crowd)))
        box = ElementTree.SubElement(entry, "bndbox")
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), xyxy, strict=True):
            _text(box, side, f"{value:.10g}")
    return root


def _text(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text
