"""Match tables of made scenes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.evaluation import MatchTable, Results, load_ground_truth, match

Box = tuple[float, float, float, float]


@pytest.fixture
def table_of(tmp_path: Path) -> Callable[..., MatchTable]:
    """From objects (image, class, xywh, crowd) and detections (image, class, xywh, score), from 0."""

    def make(objects: list[Any], detections: list[Any], images: int, classes: int) -> MatchTable:
        path = tmp_path / "truth.json"
        path.write_text(json.dumps(coco(objects, images, classes)))
        return match(
            load_ground_truth(path),
            Results(
                image_ids=np.array([one[0] + 1 for one in detections], dtype=np.int64),
                category_ids=np.array([one[1] + 1 for one in detections], dtype=np.int64),
                boxes_xywh=np.array([one[2] for one in detections], dtype=np.float64).reshape(-1, 4),
                scores=np.array([one[3] for one in detections], dtype=np.float64),
            ),
        )

    return make


def coco(objects: list[Any], images: int, classes: int) -> dict[str, Any]:
    return {
        "images": [{"id": n + 1} for n in range(images)],
        "categories": [{"id": n + 1, "name": f"class {n}"} for n in range(classes)],
        "annotations": [
            {
                "id": n + 1,
                "image_id": image + 1,
                "category_id": label + 1,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": int(crowd),
            }
            for n, (image, label, box, crowd) in enumerate(objects)
        ],
    }


def random_scene(seed: int, images: int = 25, classes: int = 4) -> tuple[list[Any], list[Any]]:
    """Objects, some near each other, some crowds, some that nothing is near; detections off by some pixels,
    of wrong classes, twice, and of nothing. No two scores are equal."""
    rng = np.random.default_rng(seed)
    objects: list[Any] = []
    for label in [*range(classes), *rng.integers(0, classes, 4 * images).tolist()]:
        box = (*rng.uniform(0, 150, 2).round(1).tolist(), *rng.uniform(20, 60, 2).round(1).tolist())
        objects.append((int(rng.integers(0, images)), label, box, rng.random() < 0.05))
    detections: list[Any] = []
    seen = [one for number, one in enumerate(objects) if number % 5]
    for image, label, box, _ in seen * 3:
        moved = [max(0.0, side + float(step)) for side, step in zip(box, rng.normal(0, 9, 4), strict=True)]
        named = label if rng.random() < 0.7 else int(rng.integers(0, classes))
        detections.append((image, named, moved, float(rng.random())))
    for _ in range(2 * images):
        box = [*rng.uniform(0, 150, 2).tolist(), *rng.uniform(20, 60, 2).tolist()]
        detections.append(
            (int(rng.integers(0, images)), int(rng.integers(0, classes)), box, float(rng.random()))
        )
    return objects, detections


@pytest.fixture
def scene() -> Callable[[int], tuple[list[Any], list[Any]]]:
    return random_scene


def iou(one: Box, other: Box) -> float:
    """Of two xywh boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


@pytest.fixture
def iou_of() -> Callable[[Box, Box], float]:
    return iou
