"""YOLO: a data.yaml, folders (or lists) of pictures, and a txt of boxes or polygons beside each picture."""

import hashlib
from pathlib import Path

import numpy as np

from bench.data_config import DataConfig
from bench.datasets.dataset import BoxTable, Dataset, Images, Source
from bench.datasets.findings import Finding
from bench.datasets.problems import Problems
from bench.datasets.sources import folders, yolo_rows, yolo_yaml
from bench.errors import DataError
from bench.layout import SPLITS


def read(config: DataConfig, workroom: Path, *, format_name: str = "yolo") -> Source:
    """Read the data.yaml in `config.path` (or the one that `config.annotations` names) and all labels.

    A picture without a label file, or with an empty one, is background. Sizes are not known before the
    pictures are opened, so boxes are shares. Raises DataError: all bad rows together.
    """
    root = folders.existing(config.path)
    given = config.annotations if isinstance(config.annotations, Path) else None
    entry = yolo_yaml.parse(root / given if given else yolo_yaml.find(root))
    findings: list[Finding] = []
    names, paths, splits = _images(entry, findings)
    if not names:
        raise DataError("the dataset has no picture", file=entry.path, value=_places(entry))
    labels = _Labels(entry.classes)
    for row, (name, path) in enumerate(zip(names, paths, strict=True)):
        labels.read(row, name, path)
    if not labels.files:
        raise DataError(
            "not one picture has a label file",
            file=entry.path,
            value=yolo_rows.label_path(paths[0]),
            hint="labels lie in a folder `labels` where pictures lie in `images`, or beside the pictures",
        )
    labels.problems.raise_if_any()
    images = Images.of(names, paths, np.zeros((len(names), 2), dtype=np.int64), splits)
    account = {
        "format": format_name,
        "path": str(root),
        "annotations": [{"file": str(entry.path), "sha256": entry.sha256, "licences": entry.licences}],
        "labels": {"files": labels.files, "sha256": labels.digest.hexdigest()},
        "images": _places(entry),
    }
    if entry.absent:
        account["listed_but_absent"] = entry.absent
    return Source(
        dataset=Dataset(entry.classes, images, labels.table()),
        shares=True,
        record_word="line",
        named={split: f"{given}, in {entry.path}" for split, given in entry.named.items()},
        findings=(*findings, *labels.findings),
        account=account,
    )


def _images(entry: yolo_yaml.Entry, findings: list[Finding]) -> tuple[list[str], list[str], list[int]]:
    """Names, paths and splits, each picture once: the split that judges keeps one that stands in two."""
    names: list[str] = []
    paths: list[str] = []
    splits: list[int] = []
    split_of: dict[str, int] = {}
    for number in reversed(range(len(SPLITS))):
        for path in entry.images(SPLITS[number], findings):
            name = _name(path, entry.root)
            if path in split_of:
                there = SPLITS[split_of[path]]
                findings.append(
                    Finding("duplicate_picture", name, detail=f"listed in {SPLITS[number]}, kept in {there}")
                )
                continue
            split_of[path] = number
            names.append(name)
            paths.append(path)
            splits.append(number)
    return names, paths, splits


def _name(path: str, root: Path) -> str:
    """Relative to the dataset's root; of a picture elsewhere the whole path."""
    prefix = f"{root}/"
    return path[len(prefix) :] if path.startswith(prefix) else path.lstrip("/")


def _places(entry: yolo_yaml.Entry) -> list[str]:
    return [str(place) for places in entry.places.values() for place in places]


class _Labels:
    """Rows of all label files."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.problems = Problems()
        self.findings: list[Finding] = []
        self.files = 0
        self.digest = hashlib.sha256()
        self._image: list[int] = []
        self._rows: list[yolo_rows.Row] = []

    def read(self, row: int, name: str, image: str) -> None:
        """Take in the labels of one picture, if it has any."""
        path = yolo_rows.label_path(image)
        content = yolo_rows.content_of(path, image)
        if content is None:
            return
        self.files += 1
        self.digest.update(name.encode("utf-8", "surrogatepass") + b"\0" + content + b"\0")
        found = yolo_rows.parse(content, path, len(self.classes), self.problems)
        self._image += [row] * len(found)
        self._rows += found
        self.findings += [
            Finding("polygon", name, f"line {label.line}", f"{label.points} points")
            for label in found
            if label.points
        ]

    def table(self) -> BoxTable:
        """xyxy as shares of the picture."""
        return BoxTable.of(
            self._image,
            [row.label for row in self._rows],
            [row.box for row in self._rows],
            record=[row.line for row in self._rows],
        )
