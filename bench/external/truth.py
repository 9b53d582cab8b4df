"""The ground truth that predictions are judged by: a COCO json of any tool, or that of a run.

A COCO json is brought into the form of a layout's (bench.layout): classes numbered from 1 in the order of
their ids, images and annotations with ids of at least 1, an `area` and `iscrowd` for every annotation.
Nothing else is changed: no box is repaired.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.gc_pause import gc_paused
from bench.layout import CATEGORY_OFFSET, SplitName
from bench.store import RunFolder


@dataclass(frozen=True)
class Truth:
    """One split's ground truth."""

    path: Path
    sha256: str
    coco: dict[str, Any]
    """In the form of a layout's."""
    image_ids: tuple[int, ...]
    """As the file has them, in the order of coco['images']."""
    category_ids: tuple[int, ...]
    """As the file has them, by class index."""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(category["name"] for category in self.coco["categories"])


def read_truth(path: Path, split: SplitName) -> Truth:
    """A COCO json, or `split` of a run folder. Raises DataError for the first record that can't be judged."""
    if path.is_dir():
        path = RunFolder.open(path).ground_truth_path(split)
    try:
        content = path.read_bytes()
        with gc_paused():
            tree = json.loads(content)
    except FileNotFoundError:
        raise DataError(
            "there is no such ground truth", file=path, hint="name a COCO json, or a run"
        ) from None
    except ValueError as error:
        raise DataError(f"is no JSON: {error}", file=path) from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(tree, dict) or not isinstance(tree.get(key), list):
            hint = "predictions belong to --predictions" if isinstance(tree, list) else None
            raise DataError(f"is no COCO json: it has no list {key!r}", file=path, hint=hint)
    categories = sorted(
        _identified(path, "categories", tree["categories"], "name"), key=lambda one: one["id"]
    )
    images = _identified(path, "images", tree["images"], "file_name")
    if all(image["id"] >= 1 for image in images):
        image_ids = {image["id"]: image["id"] for image in images}
    else:
        image_ids = {image["id"]: place for place, image in enumerate(images, 1)}
    labels = {one["id"]: label for label, one in enumerate(categories, CATEGORY_OFFSET)}
    if len({one["name"] for one in categories}) < len(categories):
        raise DataError("two categories have the same name", file=path, record="categories")
    return Truth(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        coco={
            "info": {},
            "licenses": [],
            "categories": [{**one, "id": labels[one["id"]]} for one in categories],
            "images": [{**image, "id": image_ids[image["id"]]} for image in images],
            "annotations": _annotations(path, tree["annotations"], image_ids, labels),
        },
        image_ids=tuple(image["id"] for image in images),
        category_ids=tuple(one["id"] for one in categories),
    )


def _identified(path: Path, key: str, records: Sequence[Any], name: str) -> list[dict[str, Any]]:
    """Records with an id that occurs once and a name. Raises DataError."""
    seen = set()
    for place, record in enumerate(records):
        value = record.get("id") if isinstance(record, dict) else None
        if not isinstance(value, int) or value in seen:
            complaint = "this id occurs twice" if value in seen else "should have a whole number as `id`"
            raise DataError(complaint, file=path, record=f"{key}[{place}]", value=value)
        seen.add(value)
        if not isinstance(record.get(name), str):
            raise DataError(f"should have a `{name}`", file=path, record=f"{key}[{place}]")
    return list(records)


def _annotations(
    path: Path, records: Sequence[Any], image_ids: dict[int, int], labels: dict[int, int]
) -> list[dict[str, Any]]:
    """In a layout's form. Ids are kept where they are sound. Raises DataError."""
    ids = [record.get("id") if isinstance(record, dict) else None for record in records]
    keep = all(type(value) is int and value >= 1 for value in ids) and len(set(ids)) == len(ids)
    found = []
    for place, record in enumerate(records):
        where = f"annotations[{place}]"
        if not isinstance(record, dict):
            raise DataError("is no annotation", file=path, record=where, value=record)
        for key, known, what in (("image_id", image_ids, "image"), ("category_id", labels, "category")):
            if record.get(key) not in known:
                raise DataError(
                    f"no {what} has this id", file=path, record=f"{where}, {key}", value=record.get(key)
                )
        box = record.get("bbox")
        if box is None or not _is_box(box):
            raise DataError("should be [x, y, width, height]", file=path, record=f"{where}, bbox", value=box)
        crowd = int(record.get("iscrowd") or 0)
        found.append(
            {
                **{key: value for key, value in record.items() if key != "segmentation"},
                "id": ids[place] if keep else place + 1,
                "image_id": image_ids[record["image_id"]],
                "category_id": labels[record["category_id"]],
                "area": record["area"] if "area" in record else box[2] * box[3],
                "iscrowd": crowd,
            }
        )
    return found


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(one, (int, float)) and abs(one) < float("inf") for one in value)
        and min(value[2:]) >= 0
    )
