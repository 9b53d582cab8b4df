"""A split's ground truth, read once and judged against many times."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.gc_pause import gc_paused
from bench.layout import CATEGORY_OFFSET

_HINT = "write the layout anew with: bench data convert"


@dataclass(frozen=True)
class GroundTruth:
    """One COCO json, checked."""

    path: Path
    classes: tuple[str, ...]  # by class index
    file_image_ids: NDArray[np.int64]  # (I,) in the order of the json, which is that of a layout's examples
    image_ids: NDArray[np.int64]  # (I,) ascending
    object_image: NDArray[np.int32]  # (O,) place in image_ids; objects are in the order of the json
    object_label: NDArray[np.int32]  # (O,) class index
    object_xywh: NDArray[np.float64]  # (O, 4)
    object_area: NDArray[np.float64]  # (O,) square pixels
    object_crowd: NDArray[np.bool_]  # (O,)
    object_id: NDArray[np.int64]  # (O,)

    @property
    def signature(self) -> str:
        """A hash of all but the path and the images' names. Equal ground truth: comparable figures."""
        digest = hashlib.sha256("\n".join(self.classes).encode("utf-8", "surrogatepass"))
        for field in fields(self)[2:]:
            digest.update(np.ascontiguousarray(getattr(self, field.name)).tobytes())
        return digest.hexdigest()


def load_ground_truth(coco_json: Path) -> GroundTruth:
    """Read a layout's COCO json.

    Raises DataError for a file that is missing, is no COCO json, or on which evaluators disagree: ids that
    occur twice or are below 1 (pycocotools takes a match with annotation 0 for no match), boxes of pictures
    or categories that are not there, categories not numbered from 1 without gaps.
    """
    coco = _read(coco_json)
    _check(coco_json, coco)
    names = {category["id"]: category["name"] for category in coco["categories"]}
    file_image_ids = np.array([image["id"] for image in coco["images"]], dtype=np.int64)
    image_ids = np.sort(file_image_ids)

    def column(key: str, dtype: type) -> NDArray[Any]:
        return np.array([annotation[key] for annotation in coco["annotations"]], dtype=dtype)

    return GroundTruth(
        path=coco_json,
        classes=tuple(names[index] for index in sorted(names)),
        file_image_ids=file_image_ids,
        image_ids=image_ids,
        object_image=np.searchsorted(image_ids, column("image_id", np.int64)).astype(np.int32),
        object_label=(column("category_id", np.int64) - CATEGORY_OFFSET).astype(np.int32),
        object_xywh=column("bbox", np.float64).reshape(-1, 4),
        object_area=column("area", np.float64),
        object_crowd=column("iscrowd", np.bool_),
        object_id=column("id", np.int64),
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
