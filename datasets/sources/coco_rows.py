"""Check and convert the rows of a COCO json."""

import os
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np

from bench.boxes import xywh_to_xyxy
from bench.datasets import names as image_names
from bench.datasets.dataset import BoxTable
from bench.datasets.problems import Problems
from bench.datasets.repairs import Repair

_FARTHEST = 1e12
"""Pixels: larger than any image, and small enough that sums and products stay finite."""

_INT64 = 1 << 63

_CROWD = {None: False, 0: False, 1: True, "0": False, "1": True, "": False}
"""Values of `iscrowd`; True and False equal 1 and 0. bool("0") would be a crowd."""

_NOT_KEPT = ("segmentation", "keypoints", "attributes", "caption")
"""Fields of an annotation that are not kept: only its box is."""

_SHOWN = 200
"""Characters of a bad value that a message shows."""


_Named = tuple[Any, str, tuple[int, int]]
"""An image's id, name and size."""


class CocoRows:
    """Converts one file's rows to columns; bad rows go to `problems`, changed ones to `repairs`."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self.repairs: list[Repair] = []
        self.classes: tuple[str, ...] = ()
        self.names: list[str] = []  # in NFC
        self.spelt: list[str] = []  # as in the file
        self.sizes: list[tuple[int, int]] = []
        self._label_of: dict[Any, int] = {}
        self._row_of: dict[Any, int] = {}
        self._ambiguous: set[Any] = set()
        self._placeholder: dict[str, Any] | None = None
        self._seen: dict[Any, tuple[Any, ...]] = {}
        self.not_kept: dict[str, int] = {}  # field of annotations that a dataset does not hold -> rows

    def _bad(self, record: str, message: str, value: object = None, hint: str | None = None) -> None:
        self.problems.add(message, file=self.path, record=record, value=_short(value), hint=hint)

    def _repair(self, kind: str, image: str, record: str = "", detail: str = "") -> None:
        self.repairs.append(Repair(kind, image, record, detail))

    def categories(self, rows: list[Any]) -> None:
        """Classes in the order of their ids; categories with the same name are merged."""
        named: dict[Any, str] = {}
        placeholder = _placeholder(rows)
        for number, row in enumerate(rows):
            record = f"categories[{number}]"
            if not isinstance(row, dict) or not _is_id(row.get("id")):
                self._bad(record, "has no id", row)
            elif not isinstance(row.get("name"), str) or not row["name"].strip():
                self._bad(record, "has no name", row.get("name"))
            elif not image_names.is_unicode(row["name"]):
                self._bad(record, "the name is not valid Unicode: half of a surrogate pair", row["name"])
            elif row["id"] in named:
                self._bad(record, "has the id of an earlier category", row["id"], "give it an id of its own")
            elif row["id"] == placeholder:
                self._placeholder = row
            else:
                named[row["id"]] = row["name"].strip()
        if not rows:
            self._bad("categories", "is empty", hint="list the classes there")
        self.classes = tuple(dict.fromkeys(named[key] for key in sorted(named, key=_sort_key)))
        index = {name: label for label, name in enumerate(self.classes)}
        self._label_of = {key: index[name] for key, name in named.items()}

    def images(self, rows: list[Any]) -> None:
        """File names and sizes; different images with the same id are dropped with their boxes."""
        named: list[_Named] = []
        for number, row in enumerate(rows):
            record = f"images[{number}]"
            if not isinstance(row, dict) or not _is_id(row.get("id")):
                self._bad(record, "has no id", row)
            elif not isinstance(row.get("file_name"), str):
                self._bad(record, "has no file_name", row.get("file_name"))
            else:
                try:
                    name = image_names.relative_name(row["file_name"], absolute=True)
                    named.append((row["id"], name, self._size(row, record)))
                except ValueError as error:
                    hint = "file names are relative to `data.images`"
                    self._bad(record, f"the file_name {error}", row["file_name"], hint)
        named = self._relative(named)
        first = {key: spelt for key, spelt, _ in reversed(named)}
        self._ambiguous = {key for key, spelt, _ in named if first[key] != spelt}
        for key, spelt, size in named:
            name = image_names.nfc(spelt)
            if key in self._ambiguous:
                self._repair("ambiguous_picture", name, detail=f"shares the id {key} with another")
            elif key in self._row_of:
                self._repair("duplicate_picture", name, detail=f"listed twice under the id {key}")
            else:
                self._row_of[key] = len(self.names)
                self.names.append(name)
                self.spelt.append(spelt)
                self.sizes.append(size)

    def _relative(
        self, named: list[tuple[Any, str, tuple[int, int]]]
    ) -> list[tuple[Any, str, tuple[int, int]]]:
        """Absolute names, of another machine as a rule, without the folder that all of them are in."""
        absolute = [name for _, name, _ in named if image_names.is_absolute(name)]
        if not absolute:
            return named
        common = PurePosixPath(os.path.commonpath([str(PurePosixPath(name).parent) for name in absolute]))
        found = []
        for key, name, size in named:
            if image_names.is_absolute(name):
                self._repair("absolute_name", name, detail=f"looked up without {common}")
                name = PurePosixPath(name).relative_to(common).as_posix()
            found.append((key, name, size))
        return found

    def _size(self, row: dict[str, Any], record: str) -> tuple[int, int]:
        """(width, height), (0, 0) if the row does not say."""
        width, height = row.get("width"), row.get("height")
        if width is None or height is None:
            return (0, 0)
        if not (_is_length(width) and _is_length(height)):
            self._bad(record, "width and height should be whole numbers above 0", (width, height))
            return (0, 0)
        return int(width), int(height)

    def annotations(self, rows: list[Any]) -> BoxTable:
        """Boxes as xyxy pixels. A box that is missing is computed from its polygon."""
        self._settle_placeholder(rows)
        for field in _NOT_KEPT:
            held = sum(1 for row in rows if isinstance(row, dict) and row.get(field))
            if held:
                self.not_kept[field] = held
        return self._all_sound(rows) or self._row_by_row(rows)

    def _settle_placeholder(self, rows: list[Any]) -> None:
        """Drop the parent category that Roboflow adds, unless an annotation is of it."""
        row = self._placeholder
        if row is None:
            return
        if any(isinstance(one, dict) and one.get("category_id") == row["id"] for one in rows):
            names = [row["name"].strip(), *self.classes]  # its id is the lowest
            self.classes = tuple(dict.fromkeys(names))
            shift = {name: label for label, name in enumerate(self.classes)}
            old = dict(enumerate(names[1:]))
            self._label_of = {key: shift[old[label]] for key, label in self._label_of.items()}
            self._label_of[row["id"]] = shift[names[0]]
        else:
            self._repair("placeholder_class", "", detail=row["name"])

    def _all_sound(self, rows: list[Any]) -> BoxTable | None:
        """Convert all rows at once; None if any row is unusual, to be handled by `_row_by_row`."""
        try:
            image = [self._row_of[row["image_id"]] for row in rows]
            label = [self._label_of[row["category_id"]] for row in rows]
            bbox_xywh = np.array([row["bbox"] for row in rows])
            record = np.array([row["id"] for row in rows])
            crowd = [_CROWD[row.get("iscrowd")] for row in rows]
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        sound = (
            bbox_xywh.shape == (len(rows), 4)
            and bbox_xywh.dtype.kind in "if"
            and bool((np.abs(bbox_xywh) <= _FARTHEST).all())
            and record.shape == (len(rows),)
            and record.dtype.kind == "i"
            and len(np.unique(record)) == len(rows)
        )
        return BoxTable.of(image, label, xywh_to_xyxy(bbox_xywh), crowd, record) if sound else None

    def _row_by_row(self, rows: list[Any]) -> BoxTable:
        kept = [fields for number, row in enumerate(rows) if (fields := self._annotation(number, row))]
        image, label, boxes, crowd, record = zip(*kept, strict=True) if kept else ((), (), (), (), ())
        return BoxTable.of(image, label, xywh_to_xyxy(np.array(boxes, dtype=np.float64)), crowd, record)

    def _annotation(self, number: int, row: Any) -> tuple[int, int, list[float], bool, int] | None:
        """The fields of one row of the BoxTable, the box as xywh; None if the row is bad or dropped."""
        if not isinstance(row, dict):
            self._bad(f"annotations[{number}]", "is not an object", row)
            return None
        key, image_id, category, bbox = (
            row.get("id"), row.get("image_id"), row.get("category_id"), row.get("bbox")
        )  # fmt: skip
        record = f"annotation {key}" if _is_id(key) else f"annotations[{number}]"
        if not _is_id(image_id):
            self._bad(record, "has no image_id", image_id)
            return None
        if not _is_id(category) or category not in self._label_of:
            known = ", ".join(str(key) for key in list(self._label_of)[:10])
            self._bad(record, "its category_id is in no category", category, f"ids of categories: {known}")
            return None
        try:
            crowd = _CROWD[row.get("iscrowd")]
        except (KeyError, TypeError):
            self._bad(record, "iscrowd should be 0 or 1", row.get("iscrowd"), "1 marks a group of objects")
            return None
        traced = not _is_box(bbox)
        bbox_xywh = self._from_polygon(row, record) if traced else bbox
        if bbox_xywh is None:
            return None
        if image_id not in self._row_of:
            kind = "ambiguous_picture" if image_id in self._ambiguous else "orphan_annotation"
            self._repair(kind, f"image_id {image_id}", record, "dropped")
            return None
        name = self.names[self._row_of[image_id]]
        if traced:
            self._repair("polygon", name, record)
        if _is_id(key) and self._is_copy(key, (image_id, category, tuple(bbox_xywh)), name, record):
            return None
        box_record = key if isinstance(key, int) and abs(key) < _INT64 else number
        return (
            self._row_of[image_id],
            self._label_of[category],
            bbox_xywh,
            crowd,
            box_record,
        )

    def _is_copy(self, key: Any, content: tuple[Any, ...], name: str, record: str) -> bool:
        """Whether an earlier annotation has the same id and the same content."""
        earlier = self._seen.setdefault(key, content)
        if earlier is content:
            return False
        if earlier == content:
            self._repair("duplicate_annotation", name, record)
            return True
        self._repair("duplicate_annotation_id", name, record)
        return False

    def _from_polygon(self, row: dict[str, Any], record: str) -> list[float] | None:
        """xywh of the polygons of an annotation without a box; None, and a problem, if there are none."""
        bbox, polygons = row.get("bbox"), row.get("segmentation")
        if bbox not in (None, []):
            self._bad(record, "bbox should be 4 finite numbers: left, top, width, height", bbox)
            return None
        flat = [x for ring in polygons for x in ring] if _are_rings(polygons) else []
        if len(flat) < 6:
            self._bad(record, "has neither a bbox nor a polygon", bbox)
            return None
        points = np.array(flat, dtype=np.float64).reshape(-1, 2)
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return [float(left), float(top), float(right - left), float(bottom - top)]


def _placeholder(rows: list[Any]) -> Any:
    """The id of the parent category that Roboflow adds: id 0, and the supercategory of all others."""
    first = rows[0] if len(rows) > 1 and isinstance(rows[0], dict) else {}
    parent = first.get("supercategory") in ("none", None) and first.get("id") == 0
    children = all(
        isinstance(row, dict) and row.get("supercategory") == first.get("name") for row in rows[1:]
    )
    return 0 if parent and children and isinstance(first.get("name"), str) else None


def _short(value: object) -> object:
    text = repr(value)
    return value if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return image_names.is_unicode(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _sort_key(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _FARTHEST


def _is_length(value: Any) -> bool:
    return _is_number(value) and value > 0 and float(value).is_integer()


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(_is_number(x) for x in value)


def _are_rings(value: Any) -> TypeGuard[list[list[float]]]:
    return isinstance(value, list) and all(
        isinstance(ring, list) and len(ring) % 2 == 0 and all(_is_number(x) for x in ring) for ring in value
    )
