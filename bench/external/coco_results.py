"""COCO results json: a list of detections, or a COCO json whose annotations have scores.

`image_id` and `category_id` may be numbers or names. Where a detection also has `file_name` (as ultralytics
writes) or `category_name`, the names are used: they mean the same in every tool.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import RunError
from bench.external.predictions import Key, Predictions
from bench.gc_pause import gc_paused

_HINT = "a detection has image_id, category_id, bbox [x, y, width, height] and score"


def read(path: Path) -> Predictions:
    """Raises RunError for no JSON, or the first record that is no detection."""
    try:
        with gc_paused():
            tree = json.loads(path.read_bytes())
    except ValueError as error:
        raise RunError(f"is no JSON: {error}", file=path) from None
    image_names: dict[Any, str] = {}
    class_names: dict[Any, str] = {}
    if isinstance(tree, dict) and isinstance(tree.get("annotations"), list):
        image_names = _names(tree.get("images"), "file_name")
        class_names = _names(tree.get("categories"), "name")
        tree = tree["annotations"]
    if not isinstance(tree, list):
        raise RunError("is no COCO results json: it should be a list", file=path, hint=_HINT)
    for place, record in enumerate(tree):
        if complaint := _complaint(record):
            raise RunError(complaint, file=path, record=f"detection {place}", value=record, hint=_HINT)
    return Predictions(
        path=path,
        images=[_key(record, "file_name", "image_id", image_names) for record in tree],
        classes=[_key(record, "category_name", "category_id", class_names) for record in tree],
        boxes=np.array([record["bbox"] for record in tree], dtype=np.float64).reshape(-1, 4),
        form="xywh",
        scores=np.array([record["score"] for record in tree], dtype=np.float64),
        record=lambda place: f"detection {place}",
    )


def _names(records: Any, key: str) -> dict[Any, str]:
    """id -> name, of the json's own images or categories."""
    listed = records if isinstance(records, list) else []
    return {one["id"]: one[key] for one in listed if isinstance(one, dict) and "id" in one and key in one}


def _key(record: dict[str, Any], name: str, number: str, names: dict[Any, str]) -> Key:
    found: Key = record.get(name) or names.get(record.get(number)) or record[number]
    return found


def _complaint(record: Any) -> str:
    """What keeps `record` from being a detection; empty where nothing does."""
    if not isinstance(record, dict):
        return "is no detection"
    for name, number in (("file_name", "image_id"), ("category_name", "category_id")):
        value = record.get(name) or record.get(number)
        if value is None or isinstance(value, bool) or not isinstance(value, (int, str)):
            return f"has no {number}"
    box = record.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        return "has no bbox of four numbers"
    return "" if _is_number(record.get("score")) else "has no score"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
