"""YOLO: a data.yaml, folders or lists of images, and a txt of boxes or polygons for each image."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.data_config import DataConfig
from bench.datasets.dataset import NO_SPLIT, BoxTable, Dataset, Images, Source
from bench.datasets.problems import Problems
from bench.datasets.repairs import Repair
from bench.datasets.sources import folders, yolo_rows, yolo_yaml
from bench.datasets.sources.yolo_yaml import DataYaml
from bench.errors import DataError
from bench.layout import SPLITS

_NO_LABELS = frozenset({"classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "notes.txt"})
"""Text files next to labels that are none."""


def read(config: DataConfig, workdir: Path, *, format_name: str = "yolo") -> Source:
    """Read the data.yaml in `config.path` (or `config.annotations`) and all labels.

    An image without a label file, or with an empty one, is background. Sizes are unknown until the images
    are opened, so boxes stay normalised. Bad rows are returned in `problems`.
    """
    root = folders.existing(config.path)
    given = config.annotations if isinstance(config.annotations, Path) else None
    data_yaml = yolo_yaml.parse(root / given if given else yolo_yaml.find(root), root)
    repairs: list[Repair] = list(data_yaml.repairs)
    names, paths, splits = _images(data_yaml, repairs)
    if not names:
        raise DataError(
            "the dataset has no picture",
            file=data_yaml.path,
            value=_places(data_yaml),
            hint="put the pictures into that folder, or correct the path",
        )
    labels = _Labels(data_yaml)
    for row, (name, path) in enumerate(zip(names, paths, strict=True)):
        labels.read(row, name, path)
    if not labels.files and not labels.problems.count:
        raise DataError(
            "no picture has a label file",
            file=data_yaml.path,
            value=yolo_rows.label_path(paths[0]),
            hint="put labels in a folder `labels` next to the folder `images`, or next to the pictures",
        )
    labels.check_pose()
    images = Images.of(names, paths, np.zeros((len(names), 2), dtype=np.int64), splits)
    metadata: dict[str, Any] = {
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
        repairs=(*repairs, *labels.repairs, *_orphan_labels(paths, data_yaml)),
        metadata=metadata,
        problems=labels.problems,
        annotation_paths=np.array([yolo_rows.label_path(path) for path in paths], dtype=object),
    )


def _images(data_yaml: DataYaml, repairs: list[Repair]) -> tuple[list[str], list[str], list[int]]:
    """Names, paths and splits, each image once: one in two splits stays in val or test."""
    names: list[str] = []
    paths: list[str] = []
    splits: list[int] = []
    split_of: dict[str, int] = {}
    for split in (*reversed(SPLITS), None):
        number = NO_SPLIT if split is None else SPLITS.index(split)
        for path in data_yaml.images(split, repairs):
            name = _name(path, data_yaml.root)
            if path in split_of:
                there = SPLITS[split_of[path]]
                repairs.append(
                    Repair("duplicate_picture", name, detail=f"listed in {split}, kept in {there}")
                )
                continue
            split_of[path] = number
            names.append(name)
            paths.append(path)
            splits.append(number)
    return names, paths, splits


def _orphan_labels(paths: list[str], data_yaml: DataYaml) -> Iterator[Repair]:
    """Label files whose image does not exist: lost, or with a suffix that is none of an image."""
    expected = {yolo_rows.label_path(path) for path in paths}
    expected |= {path.rpartition(".")[0] + ".txt" for path in paths}
    listings = {str(place) for places in data_yaml.places.values() for place in places}
    for folder in sorted({label.rpartition("/")[0] for label in expected}):
        names = folders.files(Path(folder))
        images_folder = Path("/images/".join(f"{folder}/".rsplit("/labels/", 1)))
        beside = {Path(name).stem: name for name in folders.files(images_folder) if not name.endswith(".txt")}
        for name in sorted(names):
            label = f"{folder}/{name}"
            if name.endswith(".txt") and label not in expected | listings and name not in _NO_LABELS:
                other = beside.get(name[: -len(".txt")])
                reason = f"{other} has an unknown suffix" if other else ""
                yield Repair("label_without_image", _name(label, data_yaml.root), detail=reason)


def _name(path: str, root: Path) -> str:
    """Relative to the dataset's root; the whole path for an image elsewhere."""
    prefix = f"{root}/"
    return path[len(prefix) :] if path.startswith(prefix) else path.lstrip("/")


def _places(data_yaml: DataYaml) -> list[str]:
    return [str(place) for places in data_yaml.places.values() for place in places]


class _Labels:
    """Rows of all label files."""

    def __init__(self, data_yaml: DataYaml) -> None:
        self.data_yaml = data_yaml
        self.problems = Problems()
        self.repairs: list[Repair] = []
        self.files = 0
        self.digest = hashlib.sha256()
        self._image: list[int] = []
        self._rows: list[yolo_rows.LabelRow] = []
        self._pose = yolo_rows.PoseTest()

    def read(self, row: int, name: str, image: str) -> None:
        """Add the labels of one image, if it has any."""
        path = yolo_rows.label_path(image)
        try:
            content = yolo_rows.content_of(path, image)
        except OSError as error:
            self.problems.add(
                f"can't be read: {error.strerror or error}", file=path, hint="make it a readable text file"
            )
            return
        if content is None:
            self.repairs.append(Repair("no_label_file", name))
            return
        self.files += 1
        self.digest.update(name.encode("utf-8", "surrogatepass") + b"\0" + content + b"\0")
        classes, keypoints = len(self.data_yaml.classes), self.data_yaml.keypoints
        found = yolo_rows.parse(content, path, classes, self.problems, keypoints, self._pose)
        self._image += [row] * len(found)
        self._rows += found
        for label in found:
            if label.points:
                kind = "keypoints" if keypoints else "polygon"
                self.repairs.append(Repair(kind, name, f"line {label.line}", f"{label.points} points"))

    def check_pose(self) -> None:
        """Add a problem if the rows look like pose labels and data.yaml does not say so."""
        if self.data_yaml.keypoints is None and (shape := self._pose.shape()):
            self.problems.add(
                "the labels look like pose labels: a box, then keypoints inside it",
                file=self.data_yaml.path,
                record="kpt_shape",
                hint=f"if they are, add to data.yaml: kpt_shape: [{shape[0]}, {shape[1]}]",
            )

    def table(self) -> BoxTable:
        """Boxes as xyxy, normalised to 0..1."""
        return BoxTable.of(
            self._image,
            [row.label for row in self._rows],
            [row.box for row in self._rows],
            record=[row.line for row in self._rows],
        )
