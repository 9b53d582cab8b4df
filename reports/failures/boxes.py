"""Boxes of objects and of single detections; the latter without parsing all of a predictions file."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.boxes import Boxes, area, xywh_to_xyxy
from bench.errors import RunError
from bench.evaluation import read_results
from bench.reports.comparison import Comparison
from bench.reports.failures.errors import ModelErrors, SplitErrors

_END = ord("}")


class DetectionBoxes:
    """By row of the file. The page draws a few thousand of what may be a million detections.

    Records of a COCO results json hold no braces, so each ends at the next "}". A file of another form is
    parsed as a whole.
    """

    def __init__(self, path: Path, detections: int) -> None:
        self._path = path
        self._content = path.read_bytes()
        self._ends = np.flatnonzero(np.frombuffer(self._content, dtype=np.uint8) == _END)
        self._all = None if len(self._ends) == detections else xywh_to_xyxy(read_results(path).boxes_xywh)

    def xyxy(self, rows: Sequence[int]) -> Boxes:
        """(len(rows), 4) pixels. Raises RunError where there is no such detection."""
        if self._all is not None:
            return self._all[list(rows)]
        found = np.array([self._xywh(row) for row in rows], dtype=np.float64).reshape(-1, 4)
        return xywh_to_xyxy(found)

    def _xywh(self, row: int) -> list[float]:
        start = int(self._ends[row - 1]) + 1 if row else 0
        piece = self._content[start : int(self._ends[row]) + 1].lstrip(b"[, \t\r\n")
        try:
            box: list[float] = json.loads(piece)["bbox"]
        except (ValueError, KeyError, TypeError):
            raise RunError(
                "is no detection", file=self._path, record=f"detection {row}", value=piece[:80]
            ) from None
        return box


class ByImage:
    """A model's detections, image by image."""

    def __init__(self, model: ModelErrors) -> None:
        image = model.table.image
        self._order = np.argsort(image, kind="stable")
        self._edges = np.searchsorted(image[self._order], np.arange(model.table.images + 1))

    def of(self, place: int) -> NDArray[np.int64]:
        """Places in the match table, ascending."""
        return self._order[self._edges[place] : self._edges[place + 1]]


def detection_boxes(model: ModelErrors) -> DetectionBoxes:
    """Of the predictions that a model's match table is of."""
    record = model.contestant.shown
    assert record is not None, "a model with errors has a shown cell"
    cell = model.contestant.run.folder.cell(record.cell)
    path = (cell.final if record.final else cell).predictions_path("test")
    return DetectionBoxes(path, len(model.table))


def truth_boxes(comparison: Comparison, errors: SplitErrors) -> Boxes:
    """(O, 4) pixels, by object."""
    annotations = (comparison.ground_truth("test") or {}).get("annotations", [])
    by_id = {item["id"]: item["bbox"] for item in annotations}
    boxes = [by_id[int(index)] for index in errors.table.object_id]
    return xywh_to_xyxy(np.array(boxes, dtype=np.float64).reshape(-1, 4))


def ious(one_xyxy: Boxes, others_xyxy: Boxes) -> Boxes:
    """(N,) the IoU of one box (4,) with others (N, 4)."""
    low, high = np.maximum(one_xyxy[:2], others_xyxy[:, :2]), np.minimum(one_xyxy[2:], others_xyxy[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    union = area(one_xyxy[None]) + area(others_xyxy) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))
