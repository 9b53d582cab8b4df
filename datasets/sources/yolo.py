"""YOLO: a data.yaml, folders or lists of images, and a txt of boxes or polygons for each image."""

import hashlib
from pathlib import Path

import numpy as np

from bench.data_config import DataConfig
from bench.datasets.dataset import BoxTable, Dataset, Images, Source
from bench.datasets.problems import Problems
from bench.datasets.repairs import Repair
from bench.datasets.sources import folders, yolo_rows, yolo_yaml
from bench.errors import DataError
from bench.layout import SPLITS


def read(config: DataConfig, workdir: Path, *, format_name: str = "yolo") -> Source:
    """Read the data.yaml in `config.path` (or `config.annotations`) and all labels.

    An image without a label file, or with an empty one, is background. Sizes are unknown until the images
    are opened, so boxes stay normalised. Raises DataError that reports all bad rows together.
    """
    root = folders.existing(config.path)
    given = config.annotations if isinstance(config.annotations, Path) else None
    data_yaml = yolo_yaml.parse(root / given if given else yolo_yaml.find(root))
    repairs: list[Repair] = []
    names, paths, splits = _images(data_yaml, repairs)
    if not names:
        raise DataError("the dataset has no picture", file=data_yaml.path, value=_places(data_yaml))
    labels = _Labels(data_yaml.classes)
    for row, (name, path) in enumerate(zip(names, paths, strict=True)):
        labels.read(row, name, path)
    if not labels.files:
        raise DataError(
            "no picture has a label file",
            file=data_yaml.path,
            value=yolo_rows.label_path(paths[0]),
            hint="put labels in a folder `labels` next to the folder `images`, or next to the pictures",
        )
    labels.problems.raise_if_any()
    images = Images.of(names, paths, np.zeros((len(names), 2), dtype=np.int64), splits)
    metadata = {
        "format": format_name,
        "path": str(root),
        "annotations": [
            {"file": str(data_yaml.path), "sha256": data_yaml.sha256, "licences": data_yaml.licences}
        ],
        "labels": {"files": labels.files, "sha256": labels.digest.hexdigest()},
        "images": _places(data_yaml),
    }
    if data_yaml.absent:
        metadata["listed_but_absent"] = data_yaml.absent
    return Source(
        dataset=Dataset(data_yaml.classes, images, labels.table()),
        normalized=True,
        record_name="line",
        declared={split: f"{given}, in {data_yaml.path}" for split, given in data_yaml.declared.items()},
        repairs=(*repairs, *labels.repairs),
        metadata=metadata,
    )


def _images(data_yaml: yolo_yaml.DataYaml, repairs: list[Repair]) -> tuple[list[str], list[str], list[int]]:
    """Names, paths and splits, each image once: one in two splits stays in val or test."""
    names: list[str] = []
    paths: list[str] = []
    splits: list[int] = []
    split_of: dict[str, int] = {}
    for number in reversed(range(len(SPLITS))):
        for path in data_yaml.images(SPLITS[number], repairs):
            name = _name(path, data_yaml.root)
            if path in split_of:
                there = SPLITS[split_of[path]]
                repairs.append(
                    Repair("duplicate_picture", name, detail=f"listed in {SPLITS[number]}, kept in {there}")
                )
                continue
            split_of[path] = number
            names.append(name)
            paths.append(path)
            splits.append(number)
    return names, paths, splits


def _name(path: str, root: Path) -> str:
    """Relative to the dataset's root; the whole path for an image elsewhere."""
    prefix = f"{root}/"
    return path[len(prefix) :] if path.startswith(prefix) else path.lstrip("/")


def _places(data_yaml: yolo_yaml.DataYaml) -> list[str]:
    return [str(place) for places in data_yaml.places.values() for place in places]


class _Labels:
    """Rows of all label files."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.problems = Problems()
        self.repairs: list[Repair] = []
        self.files = 0
        self.digest = hashlib.sha256()
        self._image: list[int] = []
        self._rows: list[yolo_rows.LabelRow] = []

    def read(self, row: int, name: str, image: str) -> None:
        """Add the labels of one image, if it has any."""
        path = yolo_rows.label_path(image)
        content = yolo_rows.content_of(path, image)
        if content is None:
            return
        self.files += 1
        self.digest.update(name.encode("utf-8", "surrogatepass") + b"\0" + content + b"\0")
        found = yolo_rows.parse(content, path, len(self.classes), self.problems)
        self._image += [row] * len(found)
        self._rows += found
        self.repairs += [
            Repair("polygon", name, f"line {label.line}", f"{label.points} points")
            for label in found
            if label.points
        ]

    def table(self) -> BoxTable:
        """Boxes as xyxy, normalised to 0..1."""
        return BoxTable.of(
            self._image,
            [row.label for row in self._rows],
            [row.box for row in self._rows],
            record=[row.line for row in self._rows],
        )
