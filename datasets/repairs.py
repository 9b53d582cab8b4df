"""Changes made to the source's data while a layout is prepared: counted by kind, listed by image and box."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

KINDS: dict[str, str] = {
    "clipped": "boxes that extended beyond their image, clipped at its edge",
    "repeated": "boxes identical to another of the same image and class, dropped",
    "degenerate": "boxes without width or height, dropped",
    "polygon": "boxes computed from a polygon",
    "orphan_annotation": "annotations whose picture is not listed, dropped",
    "no_file": "pictures that are listed but missing, dropped with their boxes",
    "duplicate_annotation": "annotations identical to an earlier one, including the id; dropped",
    "duplicate_annotation_id": "annotations that reuse the id of a different one; kept under a new id",
    "duplicate_picture": "pictures listed twice; the second entry is dropped",
    "ambiguous_picture": "pictures that share an id with another, dropped: their boxes can't be assigned",
    "oriented": "pictures rotated upright by their EXIF orientation",
    "oriented_boxes": "pictures whose boxes referred to the unrotated frame; the boxes were rotated too",
    "resized": "pictures whose listed size differs from the file's; boxes scaled to the file",
    "size_disagrees": "pictures with another aspect ratio than listed, dropped: their boxes can't be placed",
    "size_missing": "pictures listed without a size; the file's size is used",
    "absolute_name": "pictures listed by an absolute path, looked up relative to the dataset's folder",
    "not_listed": "picture files next to listed ones that no annotation file lists, not used",
    "no_label_file": "pictures without a label file, used as background",
    "label_without_image": "label files without a picture, not used",
    "split_same_as_train": "splits that name the same pictures as train, ignored",
    "placeholder_class": "empty parent classes as Roboflow writes them, dropped",
    "keypoints": "pose labels of which only the box is kept",
    "box_format": "boxes in another form than the format's, converted on request",
    "class_merged": "class names that differed by case, spaces or dashes alone, merged on request",
    "near_duplicate": "boxes that nearly repeat another of their picture and class, dropped on request",
    "identical_image": "pictures identical to another, boxes included, dropped on request",
    "unreadable": "pictures that can't be read, are truncated or tiny, dropped",
    "converted": "pictures copied as 8-bit RGB: 16-bit, CMYK, palette, alpha, 1-bit, unusual files",
}
"""Kind -> its meaning, as the manifest and the report say it."""

LISTED = 10_000
"""Repairs of each kind that the manifest lists; repairs.csv lists all."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One change."""

    kind: str
    image: str
    record: str = ""
    """The box: 'annotation 17', 'line 3'; empty if the whole image is meant."""
    detail: str = ""


def summary(repairs: Iterable[Repair]) -> dict[str, Any]:
    """The manifest's `repairs`: kind -> count, meaning, list; only the kinds that occurred."""
    by_kind: dict[str, list[Repair]] = {}
    for repair in repairs:
        by_kind.setdefault(repair.kind, []).append(repair)
    return {
        kind: {
            "count": len(found),
            "meaning": meaning,
            "listed": [_item(repair) for repair in found[:LISTED]],
        }
        for kind, meaning in KINDS.items()
        if (found := by_kind.get(kind))
    }


def _item(repair: Repair) -> dict[str, str]:
    item = {"image": repair.image, "record": repair.record, "detail": repair.detail}
    return {key: value for key, value in item.items() if value}
