"""The referee, pycocotools, and the scenes that it and the judge are asked about."""

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.evaluation import GroundTruth, Results, load_ground_truth, read_results

Scene = tuple[dict[str, Any], list[dict[str, Any]]]
"""A COCO json, and COCO results."""

Judged = tuple[GroundTruth, Results]


class Referee:
    """pycocotools on one scene."""

    def __init__(self, scene: Scene, ious: Sequence[float] | None = None) -> None:
        coco, results = scene
        with contextlib.redirect_stdout(io.StringIO()):
            truth = _indexed({**coco, "annotations": [dict(one) for one in coco["annotations"]]})
            # Its loadRes can't read an empty list.
            found = (
                truth.loadRes([dict(one) for one in results]) if results else _indexed(_without_boxes(coco))
            )
            self.evaluator = COCOeval(truth, found, "bbox")
            if ious is not None:
                self.evaluator.params.iouThrs = np.array(ious)
            self.evaluator.evaluate()
            self.evaluator.accumulate()
            if ious is None:
                self.evaluator.summarize()

    def twelve(self) -> list[float | None]:
        return [none_if_undefined(value) for value in self.evaluator.stats]

    def mean_ap(self, class_index: int | None = None, iou_index: int | None = None) -> float | None:
        """Over all sizes, 100 detections; of one class and one IoU where these are given."""
        precision = self.evaluator.eval["precision"][:, :, :, 0, 2]
        return _mean(_picked(precision, class_index, iou_index))

    def mean_ar(self, class_index: int) -> float | None:
        return _mean(self.evaluator.eval["recall"][:, class_index, 0, 2])

    def entries(self, area: str) -> list[dict[str, Any] | None]:
        """Its matches in one area range, an entry for each class and image that has any box."""
        params = self.evaluator.params
        wanted = params.areaRng[params.areaRngLbl.index(area)]
        return [one for one in self.evaluator.evalImgs if one is not None and one["aRng"] == wanted]

    def counts(self) -> tuple[int, int, int]:
        """TP, FP, FN over all sizes at the first IoU, from its own matches."""
        everything = self.evaluator.params.areaRng[0]
        entries = [one for one in self.evaluator.evalImgs if one is not None and one["aRng"] == everything]
        true = sum(int(np.sum((one["dtMatches"][0] > 0) & ~one["dtIgnore"][0])) for one in entries)
        false = sum(int(np.sum((one["dtMatches"][0] == 0) & ~one["dtIgnore"][0])) for one in entries)
        objects = sum(int(np.sum(one["gtIgnore"] == 0)) for one in entries)
        return true, false, objects - true


def none_if_undefined(value: float) -> float | None:
    return None if value == -1 else float(value)


def _picked(precision: np.ndarray, class_index: int | None, iou_index: int | None) -> np.ndarray:
    if class_index is not None:
        precision = precision[:, :, [class_index]]
    return precision if iou_index is None else precision[[iou_index]]


def _mean(values: np.ndarray) -> float | None:
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else None


def _indexed(dataset: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _without_boxes(coco: dict[str, Any]) -> dict[str, Any]:
    return {**coco, "annotations": []}


@pytest.fixture(scope="session")
def referee() -> type[Referee]:
    return Referee


@pytest.fixture(scope="session")
def truth_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], GroundTruth]:
    """Writes a COCO json and has the judge load it."""
    path = tmp_path_factory.mktemp("ground_truth") / "val.json"

    def load(coco: dict[str, Any]) -> GroundTruth:
        path.write_text(json.dumps(coco))
        return load_ground_truth(path)

    return load


@pytest.fixture(scope="session")
def results_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for results that a test writes again and again."""
    return tmp_path_factory.mktemp("results") / "predictions_val.json"


GRID_PX = 4
"""Corners lie on a grid, so that overlaps of exactly 0.5 and 0.75, equal and touching boxes are common."""

_SCORES = st.sampled_from([0.001, 0.25, 0.5, 0.500001, 0.75, 1.0])
_PLACE = st.integers(0, 2)
_BOX = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30))
_SHIFT = st.tuples(*[st.sampled_from([0, 0, 0, 1, -1])] * 4)


@st.composite
def _scenes(draw: st.DrawFn) -> Scene:
    """Up to 3 pictures and 3 classes: crowds, empty pictures, classes without boxes, ties, nothing at all,
    and more detections of a class in a picture than COCO's limit."""
    images, categories = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    boxes = draw(st.lists(st.tuples(_PLACE, _PLACE, _BOX, st.sampled_from([0, 0, 0, 1])), max_size=8))
    found = draw(st.lists(st.tuples(_PLACE, _PLACE, _BOX, _SCORES), max_size=6))
    near = draw(st.lists(st.tuples(st.integers(0, 7), _SHIFT, _SCORES), max_size=10))
    for index, shift, score in near if boxes else []:
        image, category, box, _ = boxes[index % len(boxes)]
        found.append((image, category, tuple(max(0, a + b) for a, b in zip(box, shift, strict=True)), score))
    if draw(st.booleans()) and boxes:
        rng = np.random.default_rng(draw(st.integers(0, 9)))
        image, category, box, _ = boxes[0]
        for _ in range(110):
            moved = tuple(
                max(0, side + int(step)) for side, step in zip(box, rng.integers(-1, 2, 4), strict=True)
            )
            found.append((image, category, moved, float(rng.integers(1, 50)) / 50))
    return coco_json(boxes, images, categories), coco_results(found, images, categories)


def coco_json(boxes: Sequence[Any], images: int, categories: int) -> dict[str, Any]:
    """From (picture, category, grid box, crowd) from 0; the ids run downwards, as they may."""
    return {
        "images": [
            {"id": 1 + n, "file_name": f"{n}.png", "width": 400, "height": 400}
            for n in reversed(range(images))
        ],
        "categories": [{"id": 1 + n, "name": f"class {n}"} for n in range(categories)],
        "annotations": [
            {
                "id": 1 + number,
                "image_id": 1 + image % images,
                "category_id": 1 + category % categories,
                "bbox": [float(GRID_PX * side) for side in box],
                "area": float(GRID_PX * box[2] * GRID_PX * box[3]),
                "iscrowd": crowd,
            }
            for number, (image, category, box, crowd) in enumerate(boxes)
        ],
    }


def coco_results(found: Sequence[Any], images: int, categories: int) -> list[dict[str, Any]]:
    """From (picture, category, grid box, score) from 0."""
    return [
        {
            "image_id": 1 + image % images,
            "category_id": 1 + category % categories,
            "bbox": [float(GRID_PX * side) for side in box],
            "score": score,
        }
        for image, category, box, score in found
    ]


@pytest.fixture(scope="session")
def scenes() -> st.SearchStrategy[Scene]:
    return _scenes()


@pytest.fixture(scope="session")
def judged(
    truth_of: Callable[[dict[str, Any]], GroundTruth], results_path: Path
) -> Callable[[Scene], Judged]:
    """A scene as the judge gets it: by way of the disk."""

    def load(scene: Scene) -> Judged:
        coco, results = scene
        results_path.write_text(json.dumps(results))
        return truth_of(coco), read_results(results_path)

    return load


@pytest.fixture(scope="session")
def empty_scene() -> Scene:
    """One picture, one class, no box, no detection."""
    return coco_json([], 1, 1), []


@pytest.fixture(scope="session")
def one_box_scene() -> Scene:
    """One box, found exactly."""
    return coco_json([(0, 0, (1, 1, 10, 10), 0)], 1, 1), coco_results([(0, 0, (1, 1, 10, 10), 0.75)], 1, 1)


@pytest.fixture(scope="session")
def crowded_scene() -> Scene:
    """20 pictures, 3 classes, 80 boxes, 400 detections, each some pixels off one of them and off the grid."""
    rng = np.random.default_rng(0)
    boxes = [(n % 20, n % 3, tuple(rng.integers(5, 40, 4).tolist()), 0) for n in range(80)]
    found = [
        (image, category, tuple(side + float(rng.normal(0, 1)) for side in box), float(rng.random()))
        for image, category, box, _ in boxes * 5
    ]
    return coco_json(boxes, 20, 3), coco_results(found, 20, 3)


@pytest.fixture(scope="session")
def scene_of() -> Callable[..., Scene]:
    """From boxes (picture, category, grid box, crowd) and detections (..., score), all numbered from 0."""
    return lambda boxes, found, images, categories: (
        coco_json(boxes, images, categories),
        coco_results(found, images, categories),
    )
