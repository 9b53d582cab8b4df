"""Which image and class of the ground truth each detection means.

Tools count images and classes from 0 or 1, use the ids of a COCO json, or write names. Every reading that
explains all ids of a file is a candidate. Of several, the one whose boxes lie on objects is taken: ids 1 to
99 of 100 images may be the ids of the ground truth, or places counted from 0 with nothing found in the first.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask

from bench.boxes import Boxes, cxcywh_norm_to_xyxy, xyxy_to_xywh
from bench.errors import DataError, RunError
from bench.evaluation import Results
from bench.external.predictions import Key, Predictions
from bench.external.truth import Truth
from bench.layout import CATEGORY_OFFSET

Places = NDArray[np.int64]

CLEARLY = 2
"""A later candidate is taken only where it has more than so many times the first one's hits."""

LOOKED_AT = 5_000
"""Detections, best scores first, that decide between candidates."""

_IOU_HIT = 0.5
_OUTSIDE_PX = 2.0


@dataclass(frozen=True)
class Mapped:
    """Detections with the ids of `Truth.coco`, and what was made of theirs."""

    results: Results
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Reading:
    """One way to read ids: what they are taken for, and key -> place in the ground truth."""

    how: str
    table: dict[Key, int]
    normal: Callable[[Key], Key] = lambda key: key

    def missing(self, keys: Iterable[Key]) -> list[Key]:
        return [key for key in keys if self.normal(key) not in self.table]

    def places(self, keys: Sequence[Key]) -> Places:
        known = {key: self.table[self.normal(key)] for key in set(keys)}
        return np.array([known[key] for key in keys], dtype=np.int64)


def map_to(truth: Truth, found: Predictions) -> Mapped:
    """Raises RunError for an image or class that the ground truth lacks, and boxes of another form."""
    notes: list[str] = []
    look = _Look(truth, found)
    images = _choose(found, found.images, _image_readings(truth), "image", notes, look.on_objects)
    boxes_xywh = _boxes_xywh(truth, found, images)
    _refuse_other_boxes(truth, found, images, boxes_xywh)
    named, readings = _class_readings(truth, found)
    classes = _choose(
        found, named, readings, "class", notes, lambda labels: look.of_their_class(images, labels)
    )
    ids = np.array([image["id"] for image in truth.coco["images"]], dtype=np.int64)
    results = Results(ids[images], classes + CATEGORY_OFFSET, boxes_xywh, found.scores, found.path)
    return Mapped(results, tuple(notes))


def _image_readings(truth: Truth) -> list[_Reading]:
    images = truth.coco["images"]
    # `source` is the name that an image had before a run renamed it.
    names = [{_posix(str(image[key])) for key in ("file_name", "source") if key in image} for image in images]

    def table(part: Callable[[PurePosixPath], Key]) -> dict[Key, int]:
        return _unique(
            (part(PurePosixPath(name)), place) for place, some in enumerate(names) for name in some
        )

    # ultralytics writes the image_id 139 for 000000000139.jpg.
    numbers = table(lambda path: int(path.stem) if path.stem.isdecimal() else path.stem)
    return [
        _Reading("image ids", {key: place for place, key in enumerate(truth.image_ids)}),
        _Reading("file names", table(str), _path),
        _Reading("file names without folders", table(lambda path: path.name), _name),
        _Reading("file names without suffixes", table(lambda path: str(path.with_suffix(""))), _path),
        _Reading("file names without folders and suffixes", numbers | table(lambda path: path.stem), _stem),
        _Reading("places of images, counted from 0", {place: place for place in range(len(images))}),
        _Reading("places of images, counted from 1", {place + 1: place for place in range(len(images))}),
    ]


def _class_readings(truth: Truth, found: Predictions) -> tuple[Sequence[Key], list[_Reading]]:
    """The classes as names where the tool wrote their names down, and how to read them."""
    classes: Sequence[Key] = found.classes
    if found.class_names:
        listed = found.class_names
        classes = [listed[key] if isinstance(key, int) and 0 <= key < len(listed) else key for key in classes]
    count = range(len(truth.classes))
    names = _Reading("class names", {name: place for place, name in enumerate(truth.classes)})
    lower = _unique((_folded(name), place) for place, name in enumerate(truth.classes))
    folded = _Reading("class names, whatever their case", lower, _folded)
    from_0 = _Reading("places of classes, counted from 0", {place: place for place in count})
    if found.form == "cxcywh_norm":  # YOLO's are always counted from 0
        return classes, [names, folded, from_0]
    ids = _Reading("category ids", {key: place for place, key in enumerate(truth.category_ids)})
    from_1 = _Reading("places of classes, counted from 1", {place + 1: place for place in count})
    return classes, [ids, names, folded, from_0, from_1]


def _choose(
    found: Predictions,
    keys: Sequence[Key],
    readings: Sequence[_Reading],
    what: str,
    notes: list[str],
    hits: Callable[[Places], int],
) -> Places:
    """The places that `keys` mean. Appends to `notes`; raises RunError where no reading explains all."""
    distinct = list(dict.fromkeys(keys))
    fitting = [reading for reading in readings if not reading.missing(distinct)]
    if not fitting:
        raise _unexplained(found, keys, _nearest(readings, distinct), what)
    chosen, places = fitting[0], fitting[0].places(keys)
    different = [(one, other) for one in fitting[1:] if not np.array_equal(other := one.places(keys), places)]
    if different:
        counts = [hits(places), *(hits(other) for _, other in different)]
        best = int(np.argmax(counts))
        if best and counts[best] > CLEARLY * counts[0]:
            chosen, places = different[best - 1]
            notes.append(
                f"read as {chosen.how}, not as {fitting[0].how}: "
                f"{counts[best]:,} instead of {counts[0]:,} of the best detections then lie on an object"
                + (" of their class" if what == "class" else "")
            )
            return places
    notes.append(f"{len(distinct):,} {'images' if what == 'image' else 'classes'} read as {chosen.how}")
    return places


def _nearest(readings: Sequence[_Reading], keys: Sequence[Key]) -> _Reading:
    """What to report on: a reading that explains most keys, else the first that has keys of their type."""
    best = min(readings, key=lambda one: len(one.missing(keys)))
    if 2 * len(best.missing(keys)) < len(keys):
        return best
    return next((one for one in readings if isinstance(next(iter(one.table), 0), type(keys[0]))), readings[0])


def _unexplained(found: Predictions, keys: Sequence[Key], best: _Reading, what: str) -> RunError:
    missing = best.missing(dict.fromkeys(keys))
    place = next(place for place, key in enumerate(keys) if key == missing[0])
    total = len(set(keys))
    known = list(best.table)
    return found.error(
        place,
        f"{len(missing):,} of {total:,} {'images' if what == 'image' else 'classes'} "
        f"are not in the ground truth, read as {best.how}",
        value=missing,
        hint=f"the ground truth has {_some(known)}; write its ids or names, or leave these detections out",
    )


def _some(known: Sequence[Key]) -> str:
    shown = ", ".join(repr(key) for key in known[:8])
    return shown if len(known) <= 8 else f"{shown} ... ({len(known):,} in all)"


def _boxes_xywh(truth: Truth, found: Predictions, images: Places) -> Boxes:
    if found.form == "xywh":
        return found.boxes
    if found.form == "xyxy":
        return xyxy_to_xywh(found.boxes)
    sizes = _sizes(truth)[images]
    if (sizes <= 0).any():
        record = truth.coco["images"][int(images[np.argmin(sizes.min(axis=1))])]
        raise DataError(
            "should have width and height: the predictions' boxes are shares of them",
            file=truth.path,
            record=f"image {record['file_name']}",
        )
    return xyxy_to_xywh(cxcywh_norm_to_xyxy(found.boxes, sizes))


def _refuse_other_boxes(truth: Truth, found: Predictions, images: Places, boxes_xywh: Boxes) -> None:
    """Raise RunError where pixels [x, y, width, height] can't be meant, because most boxes don't fit."""
    sizes = _sizes(truth)[images]
    if found.form == "cxcywh_norm" or not len(found) or (sizes <= 0).any():
        return
    if (found.boxes <= 1).all():
        raise found.error(
            0,
            "the boxes look like shares of the image's size: no number is above 1",
            value=found.boxes[0].tolist(),
            hint="multiply them by the image's width and height",
        )
    ends = boxes_xywh[:, :2] + boxes_xywh[:, 2:]
    outside = (ends > sizes + _OUTSIDE_PX).any(axis=1)
    as_corners = (found.boxes[:, 2:] <= sizes + _OUTSIDE_PX) & (found.boxes[:, 2:] >= found.boxes[:, :2])
    if found.form == "xywh" and outside.mean() > 0.5 and as_corners.all():
        place = int(np.argmax(outside))
        raise found.error(
            place,
            "the boxes look like [x1, y1, x2, y2]: as [x, y, width, height] most end outside their image",
            value=found.boxes[place].tolist(),
            hint="write x2 - x1 and y2 - y1 in place of x2 and y2",
        )


def _sizes(truth: Truth) -> NDArray[np.float64]:
    """(I, 2) width and height in pixels; 0 where the ground truth has none."""
    images = truth.coco["images"]
    return np.array([[one.get("width") or 0, one.get("height") or 0] for one in images], dtype=np.float64)


class _Look:
    """How many of the best detections lie on an object, for a reading of their ids."""

    def __init__(self, truth: Truth, found: Predictions) -> None:
        self._truth, self._found = truth, found
        self._best = np.argsort(-found.scores, kind="stable")[:LOOKED_AT]
        place = {image["id"]: number for number, image in enumerate(truth.coco["images"])}
        self._objects: dict[int, list[tuple[int, list[float]]]] = {}
        for one in truth.coco["annotations"]:
            label = one["category_id"] - CATEGORY_OFFSET
            self._objects.setdefault(place[one["image_id"]], []).append((label, one["bbox"]))

    def on_objects(self, images: Places) -> int:
        return sum(bool(labels) for _, labels in self._touched(images))

    def of_their_class(self, images: Places, labels: Places) -> int:
        return sum(int(labels[row]) in touched for row, touched in self._touched(images))

    def _touched(self, images: Places) -> Iterable[tuple[int, set[int]]]:
        """(detection, classes of the objects that it lies on)."""
        boxes_xywh = _boxes_xywh(self._truth, self._found, images)
        for row in self._best.tolist():
            objects = self._objects.get(int(images[row]), [])
            if objects:
                boxes = np.array([box for _, box in objects], dtype=np.float64)
                overlaps = mask.iou(boxes_xywh[[row]], boxes, [0] * len(objects))[0]
                yield row, {objects[place][0] for place in np.flatnonzero(overlaps >= _IOU_HIT).tolist()}


def _unique(pairs: Iterable[tuple[Key, int]]) -> dict[Key, int]:
    """Key -> place, without keys that mean several places."""
    places: dict[Key, set[int]] = {}
    for key, place in pairs:
        places.setdefault(key, set()).add(place)
    return {key: min(some) for key, some in places.items() if len(some) == 1}


def _posix(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _path(key: Key) -> Key:
    return _posix(key) if isinstance(key, str) else key


def _name(key: Key) -> Key:
    return PurePosixPath(_posix(key)).name if isinstance(key, str) else key


def _stem(key: Key) -> Key:
    """The last part of a path, without the suffix of an image."""
    if not isinstance(key, str):
        return key
    name = PurePosixPath(_posix(key)).name
    return PurePosixPath(name).stem if PurePosixPath(name).suffix.lower() in _SUFFIXES else name


def _folded(key: Key) -> Key:
    return key.strip().casefold() if isinstance(key, str) else key


_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
