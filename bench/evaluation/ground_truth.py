"""A split's ground truth, read once and judged against many times."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.evaluation.gc_pause import gc_paused
from bench.layout import CATEGORY_OFFSET

_JUDGED = (
    ("images", ("id",)),
    ("categories", ("id", "name")),
    ("annotations", ("id", "image_id", "category_id", "bbox", "area", "iscrowd")),
)
"""What the evaluator is given: it refuses files for oddities in fields that no figure depends on."""

_HINT = "write the layout anew with: bench data convert"


@dataclass(frozen=True)
class GroundTruth:
    """One COCO json, checked."""

    path: Path
    classes: tuple[str, ...]  # by class index
    image_ids: NDArray[np.int64]  # (pictures,) in the order of the json
    support: NDArray[np.int64]  # (classes,) boxes, crowds left out
    coco: hotcoco.COCO


def load_ground_truth(coco_json: Path) -> GroundTruth:
    """Read a layout's COCO json.

    Raises DataError for a file that is missing, is no COCO json, or on which evaluators disagree: ids that
    occur twice or are below 1 (pycocotools takes a match with annotation 0 for no match), boxes of pictures
    or categories that are not there, categories not numbered from 1 without gaps.
    """
    coco = _read(coco_json)
    _check(coco_json, coco)
    names = {category["id"]: category["name"] for category in coco["categories"]}
    labels = [
        annotation["category_id"] - CATEGORY_OFFSET
        for annotation in coco["annotations"]
        if not annotation["iscrowd"]
    ]
    return GroundTruth(
        path=coco_json,
        classes=tuple(names[index] for index in sorted(names)),
        image_ids=np.array([image["id"] for image in coco["images"]], dtype=np.int64),
        support=np.bincount(np.array(labels, dtype=np.int64), minlength=len(names)),
        coco=hotcoco.COCO(
            {
                key: [{field: record[field] for field in fields} for record in coco[key]]
                for key, fields in _JUDGED
            }
        ),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        with gc_paused():
            coco = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError("there is no such ground truth", file=path, hint=_HINT) from None
    except ValueError as error:
        raise DataError(f"is no JSON: {error}", file=path, hint=_HINT) from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(coco, dict) or not isinstance(coco.get(key), list):
            raise DataError(f"is no COCO json: it has no list {key!r}", file=path, hint=_HINT)
    return dict(coco)


def _check(path: Path, coco: dict[str, Any]) -> None:
    """Raise DataError for the first record that can't be judged."""
    images = _unique_ids(path, "images", coco["images"])
    categories = _unique_ids(path, "categories", coco["categories"])
    if categories != set(range(CATEGORY_OFFSET, CATEGORY_OFFSET + len(categories))):
        raise DataError(
            f"category ids should be {CATEGORY_OFFSET} to {CATEGORY_OFFSET + len(categories) - 1}",
            file=path,
            record="categories",
            value=sorted(categories),
            hint=_HINT,
        )
    for category in coco["categories"]:
        if not isinstance(category.get("name"), str):
            raise DataError(
                "should have a `name`", file=path, record=f"category {category['id']}", hint=_HINT
            )
    _unique_ids(path, "annotations", coco["annotations"])
    demands: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
        ("image_id", "no picture has this id", images.__contains__),
        ("category_id", "no category has this id", categories.__contains__),
        ("bbox", "should be [x, y, width, height]", _is_box),
        ("area", "should be the box's or the mask's area", lambda v: isinstance(v, (int, float)) and v >= 0),
        ("iscrowd", "should be 0 or 1", lambda v: v in (0, 1)),
    )
    for annotation in coco["annotations"]:
        for key, complaint, accepts in demands:
            if not accepts(annotation.get(key)):
                record = f"annotation {annotation['id']}, {key}"
                raise DataError(complaint, file=path, record=record, value=annotation.get(key), hint=_HINT)


def _unique_ids(path: Path, key: str, records: list[Any]) -> set[int]:
    """The ids of `records`. Raises DataError for one that is no id, or occurs twice."""
    seen: set[int] = set()
    for place, record in enumerate(records):
        value = record.get("id") if isinstance(record, dict) else None
        if not isinstance(value, int) or value < 1 or value in seen:
            twice = isinstance(value, int) and value in seen
            complaint = "this id occurs twice" if twice else "should have an `id` of at least 1"
            raise DataError(complaint, file=path, record=f"{key}[{place}]", value=value, hint=_HINT)
        seen.add(value)
    return seen


def _is_box(value: Any) -> bool:
    """Four finite numbers, the last two not negative."""
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(number, (int, float)) and abs(number) < float("inf") for number in value)
        and min(value[2:]) >= 0
    )
