"""`bench.from_records`: a dataset that is in memory."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench import files
from bench.boxes import xyxy_to_xywh
from bench.errors import DataError
from bench.layout import SPLITS

KEYS = frozenset({"image", "boxes", "labels", "size", "split", "crowd"})


def from_records(records: Iterable[Mapping[str, Any]], folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Write records as COCO json to `folder`, and return the `data` of a config that reads it.

        data = bench.from_records(
            ({"image": path, "boxes": boxes, "labels": names} for path, boxes, names in mine), "mine"
        )
        bench.run({"data": data, "models": ["yolo"]})

    A record is a mapping:
        image: the file; several records may not name one file.
        boxes: (N, 4) left, top, right, bottom in pixels of the upright image; empty for background.
        labels: (N,) names of classes.
        size: (width, height) of the upright image in pixels; default: the file's.
        split: train, val or test; in all records or in none.
        crowd: (N,) whether a box covers many objects; default: none does.

    Raises:
        DataError: a record is wrong; the message has its number, from 0.
        RunError: the folder can't be written to.
    """
    parts: dict[str | None, dict[str, list[dict[str, Any]]]] = {}
    categories: dict[str, int] = {}
    paths: set[str] = set()
    number = -1
    for number, record in enumerate(records):
        _check_keys(number, record)
        path = str(Path(record["image"]).resolve())
        if path in paths:
            raise _wrong(number, "image", path, "is the image of an earlier record: put its boxes into one")
        paths.add(path)
        part = parts.setdefault(record.get("split"), {"images": [], "annotations": []})
        size = dict(zip(("width", "height"), map(int, record.get("size") or ()), strict=False))
        part["images"].append({"id": number + 1, "file_name": path, **size})
        part["annotations"] += _boxes(number, record, categories)
    if number < 0:
        raise DataError("there is no record", record="records")
    if None in parts and len(parts) > 1:
        raise DataError("some records have a split, and some have none", record="records")
    root = Path(folder).resolve()
    above = os.path.commonpath([str(Path(path).parent) for path in paths])
    named = [{"id": index, "name": name} for name, index in categories.items()]
    written: dict[str | None, str] = {}
    for split, part in parts.items():
        for image in part["images"]:
            image["file_name"] = Path(image["file_name"]).relative_to(above).as_posix()
        written[split] = f"{split or 'annotations'}.json"
        files.write_json(root / written[split], {**part, "categories": named}, indent=None)
    annotations: Any = written.get(None, written)
    return {"source": "coco", "path": str(root), "annotations": annotations, "images": above}


def _check_keys(number: int, record: Mapping[str, Any]) -> None:
    if not isinstance(record, Mapping) or not {"image", "boxes", "labels"} <= record.keys():
        raise DataError("needs image, boxes and labels", record=f"record {number}", value=str(record)[:200])
    if unknown := record.keys() - KEYS:
        raise _wrong(
            number, sorted(map(str, unknown))[0], "", f"is unknown; there are: {', '.join(sorted(KEYS))}"
        )
    if record.get("split") not in (None, *SPLITS):
        raise _wrong(number, "split", record["split"], "is none of train, val and test")


def _boxes(number: int, record: Mapping[str, Any], categories: dict[str, int]) -> list[dict[str, Any]]:
    labels = [str(label) for label in record["labels"]]
    try:
        boxes = np.asarray(record["boxes"], dtype=np.float64).reshape(-1, 4)
    except (TypeError, ValueError):
        raise _wrong(number, "boxes", record["boxes"], "are not (N, 4) numbers") from None
    crowd = [bool(one) for one in record.get("crowd", [False] * len(labels))]
    if not len(boxes) == len(labels) == len(crowd):
        counts = f"{len(boxes)} boxes, {len(labels)} labels, {len(crowd)} crowd"
        raise _wrong(number, "labels", counts, "are not as many as there are boxes")
    if not np.isfinite(boxes).all():
        raise _wrong(number, "boxes", boxes.tolist(), "are not finite")
    return [
        {
            "id": number * 1_000_000 + row,
            "image_id": number + 1,
            "category_id": categories.setdefault(label, len(categories) + 1),
            "bbox": bbox,
            "iscrowd": int(many),
        }
        for row, (label, bbox, many) in enumerate(
            zip(labels, xyxy_to_xywh(boxes).tolist(), crowd, strict=True), start=1
        )
    ]


def _wrong(number: int, key: str, value: Any, what: str) -> DataError:
    return DataError(what, record=f"record {number}, {key}", value=str(value)[:200])
