"""A dataset on disk in the forms that frameworks read; all that adapters and the judge see of the data.

    LAYOUT/
      manifest.json                  source, hashes, class table, split, repairs, statistics
      data.yaml                      YOLO's entry
      annotations/{train,val,test}.json   COCO; `file_name` is relative to images/SPLIT
      images/{train,val,test}/...    8-bit, upright (links where the original already is)
      labels/{train,val,test}/...    YOLO txt, one for every image, empty for background

Class indices start at 0, in the order of `classes`; a COCO `category_id` is the class index plus 1.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.boxes import Boxes, xywh_to_xyxy
from bench.errors import DataError

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")

CATEGORY_OFFSET = 1
"""COCO category ids start at 1, as COCO's own do; class indices start at 0."""


@dataclass(frozen=True)
class Example:
    """One image and its ground truth."""

    image_id: int
    path: Path
    size_wh: tuple[int, int]
    boxes_xyxy: Boxes  # (N, 4) pixels
    labels: NDArray[np.int64]  # (N,) class indices
    crowd: NDArray[np.bool_]  # (N,) regions of many objects: never trained on


@dataclass(frozen=True)
class Layout:
    """The paths of a written dataset."""

    root: Path
    classes: tuple[str, ...]

    @classmethod
    def open(cls, root: Path) -> "Layout":
        """A finished layout. Raises FileNotFoundError if there is none, DataError if it is damaged."""
        path = root / "manifest.json"
        try:
            manifest = json.loads(path.read_bytes())
            return cls(root=root, classes=tuple(manifest["classes"]))
        except (ValueError, KeyError, TypeError):
            raise DataError(
                "the written dataset is damaged",
                file=path,
                hint=f"delete {root}: it is written again when it is needed",
            ) from None

    @property
    def manifest_path(self) -> Path:
        return self.root / "manifest.json"

    @property
    def data_yaml(self) -> Path:
        return self.root / "data.yaml"

    def coco_path(self, split: SplitName) -> Path:
        """The split's COCO json."""
        return self.root / "annotations" / f"{split}.json"

    def images_dir(self, split: SplitName) -> Path:
        return self.root / "images" / split

    def labels_dir(self, split: SplitName) -> Path:
        return self.root / "labels" / split

    def class_counts(self, split: SplitName) -> dict[str, int]:
        """The number of boxes of every class, without crowds, in the order of `classes`."""
        coco = json.loads(self.coco_path(split).read_text(encoding="utf-8"))
        counts = dict.fromkeys(self.classes, 0)
        for annotation in coco["annotations"]:
            if not annotation.get("iscrowd", 0):
                counts[self.classes[annotation["category_id"] - CATEGORY_OFFSET]] += 1
        return counts

    def examples(self, split: SplitName) -> list[Example]:
        """Every image of a split with its boxes, in the order of the COCO json."""
        coco = json.loads(self.coco_path(split).read_text(encoding="utf-8"))
        by_image: dict[int, list[dict[str, object]]] = {image["id"]: [] for image in coco["images"]}
        for annotation in coco["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
        folder = self.images_dir(split)
        return [
            Example(
                image_id=image["id"],
                path=folder / image["file_name"],
                size_wh=(image["width"], image["height"]),
                boxes_xyxy=xywh_to_xyxy(np.array([a["bbox"] for a in found], dtype=np.float64)),
                labels=np.array([a["category_id"] for a in found], dtype=np.int64) - CATEGORY_OFFSET,
                crowd=np.array([bool(a.get("iscrowd", 0)) for a in found], dtype=np.bool_),
            )
            for image in coco["images"]
            for found in (by_image[image["id"]],)
        ]
