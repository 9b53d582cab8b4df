"""Labels that trained models contradict: objects that none finds, and detections of most where there is none.

A doubt is not an error: it is a place to look at. Models that learned from the same wrong labels repeat them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask

from bench.boxes import Boxes, xywh_to_xyxy
from bench.evaluation import read_results
from bench.layout import CATEGORY_OFFSET, SplitName
from bench.records import CellRecord
from bench.store import RunFolder

SAME = 0.5
"""IoU from which two boxes mean one object, as in AP50."""

APART = 0.3
"""IoU below which a detection is of nothing that is annotated."""

SPLITS: tuple[SplitName, ...] = ("val", "test")
"""No model was trained on these."""


@dataclass(frozen=True)
class Doubt:
    """One box that should be looked at."""

    kind: Literal["unlabelled", "unfound"]
    split: SplitName
    image: str
    """Its name in the source."""
    file_name: str
    """In the layout."""
    label: str
    box_xyxy: tuple[float, float, float, float]
    score: float
    """Mean score of the models that agree; for an object that none finds, the best that overlaps it."""
    models: int


@dataclass(frozen=True)
class Doubts:
    """Of all models of a run, the strongest first."""

    models: tuple[str, ...]
    found: tuple[Doubt, ...]

    def of(self, kind: str) -> list[Doubt]:
        return [doubt for doubt in self.found if doubt.kind == kind]


@dataclass(frozen=True)
class _Found:
    """Detections of one model in one image, at or above its score threshold."""

    boxes_xywh: Boxes
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]


def label_doubts(run: RunFolder) -> Doubts:
    """By one training of each model, at the score threshold that val chose for it.

    unlabelled: more than half of the models detect a class at one place (IoU 0.5) where no object is (IoU
    below 0.3 with any). unfound: no model detects the object's class there (IoU 0.5).

    Raises RunError where predictions can't be read.
    """
    records = _one_of_each(run.records())
    classes = run.info().classes
    found = [doubt for split in SPLITS for doubt in _of_split(run, records, split, classes)]
    found.sort(key=lambda one: (one.kind, -one.score if one.kind == "unlabelled" else one.score))
    return Doubts(tuple(record.model for record in records), tuple(found))


def _one_of_each(records: Sequence[CellRecord]) -> list[CellRecord]:
    first: dict[str, CellRecord] = {}
    for record in records:
        if record.status == "done" and record.share is None and record.val and record.val.operating_point:
            first.setdefault(record.model, record)
    return list(first.values())


def _of_split(
    run: RunFolder, records: Sequence[CellRecord], split: SplitName, classes: Sequence[str]
) -> Iterator[Doubt]:
    coco = json.loads(run.ground_truth_path(split).read_bytes())
    models = [_detections(run, record, split) for record in records]
    objects: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in coco["images"]}
    for box in coco["annotations"]:
        objects[box["image_id"]].append(box)
    nothing = _Found(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
    for image in coco["images"]:
        seen = [model.get(image["id"], nothing) for model in models]
        names = split, str(image.get("source") or image["file_name"]), str(image["file_name"])
        for box in objects[image["id"]]:
            if not box.get("iscrowd", 0) and (score := _best_overlap(box, seen)) is not None:
                label = classes[box["category_id"] - CATEGORY_OFFSET]
                yield Doubt("unfound", *names, label, _corners(box["bbox"]), score, len(models))
        for label_index, bbox, score, agreeing in _unlabelled(objects[image["id"]], seen):
            yield Doubt("unlabelled", *names, classes[label_index], _corners(bbox), score, agreeing)


def _detections(run: RunFolder, record: CellRecord, split: SplitName) -> dict[int, _Found]:
    """Image id -> what stands at or above the threshold."""
    path: Path = run.cell(record.cell).predictions_path(split)
    results = read_results(path)
    point = record.val.operating_point if record.val else None
    kept = np.flatnonzero(results.scores >= (point.score_threshold if point else 0.0))
    order = kept[np.argsort(results.image_ids[kept], kind="stable")]
    ids, starts = np.unique(results.image_ids[order], return_index=True)
    return {
        int(image_id): _Found(
            results.boxes_xywh[rows], results.category_ids[rows] - CATEGORY_OFFSET, results.scores[rows]
        )
        for image_id, rows in zip(ids, np.split(order, starts[1:]) if len(ids) else [], strict=True)
    }


def _best_overlap(box: dict[str, Any], seen: Sequence[_Found]) -> float | None:
    """None if a model detects the object; else the best score of any detection that overlaps it."""
    best = 0.0
    for found in seen:
        overlap = _iou(found.boxes_xywh, [box])[:, 0]
        right = found.labels == box["category_id"] - CATEGORY_OFFSET
        if (right & (overlap >= SAME)).any():
            return None
        best = max(best, float(found.scores[overlap >= SAME].max(initial=0.0)))
    return best


def _unlabelled(
    objects: list[dict[str, Any]], seen: Sequence[_Found]
) -> Iterator[tuple[int, list[float], float, int]]:
    """Class, box (xywh), mean score and number of agreeing models, the highest score first."""
    free = [
        (model, int(label), box.tolist(), float(score))
        for model, found in enumerate(seen)
        for label, box, score, overlap in zip(
            found.labels,
            found.boxes_xywh,
            found.scores,
            _iou(found.boxes_xywh, objects).max(axis=1, initial=0.0),
            strict=True,
        )
        if overlap < APART
    ]
    free.sort(key=lambda one: -one[3])
    while free:
        label, box = free[0][1], free[0][2]
        near = _iou(np.array([one[2] for one in free]), [{"bbox": box}])[:, 0] >= SAME
        same = [one[1] == label and bool(close) for one, close in zip(free, near, strict=True)]
        best: dict[int, float] = {}
        for one, joined in zip(free, same, strict=True):
            if joined:
                best.setdefault(one[0], one[3])
        if 2 * len(best) > len(seen):
            yield label, box, sum(best.values()) / len(best), len(best)
        free = [one for one, joined in zip(free[1:], same[1:], strict=True) if not joined]


def _iou(boxes_xywh: Boxes, objects: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
    """(detections, objects); for a crowd the share of the detection inside of it, as COCO has it."""
    if not len(boxes_xywh) or not objects:
        return np.zeros((len(boxes_xywh), len(objects)))
    others = np.array([one["bbox"] for one in objects], dtype=np.float64)
    crowd = [int(bool(one.get("iscrowd", 0))) for one in objects]
    return np.asarray(mask.iou(np.ascontiguousarray(boxes_xywh, dtype=np.float64), others, crowd))


def _corners(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = xywh_to_xyxy(np.array([bbox], dtype=np.float64))[0].tolist()
    return left, top, right, bottom
