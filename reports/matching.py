"""Which detections in one picture are right, so that a reader sees it in the drawn boxes.

No figure comes from here: those are the judge's. The rule is that of the operating point: a detection is
right when it finds an object of its class with an IoU of at least 0.5 that no higher-scored detection has
found already. One that lies in a crowd counts neither way and is drawn as right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.boxes import Boxes, area

IOU_RIGHT = 0.5
"""As at the operating point (bench.records.OperatingPoint)."""

NO_AREA = 1e-9
"""Square pixels: a box without area overlaps nothing, and divides nothing by zero."""


@dataclass(frozen=True)
class Found:
    """One model's detections in one picture, best first, or its ground truth."""

    boxes_xyxy: Boxes  # (N, 4)
    labels: NDArray[np.int64]  # (N,)
    scores: NDArray[np.float64]  # (N,)
    crowd: NDArray[np.bool_]  # (N,)


def right(found: Found, truth: Found) -> NDArray[np.bool_]:
    """Which detections find an object, greedily from the best score down; shape (N,)."""
    result = np.zeros(len(found.labels), dtype=np.bool_)
    free = ~truth.crowd
    for index, (box, label) in enumerate(zip(found.boxes_xyxy, found.labels, strict=True)):
        shared = _intersection(box, truth.boxes_xyxy)
        iou = shared / np.maximum(area(box) + area(truth.boxes_xyxy) - shared, NO_AREA)
        fitting = np.where(free & (truth.labels == label), iou, -1.0)
        if len(fitting) and fitting.max() >= IOU_RIGHT:
            result[index] = True
            free[fitting.argmax()] = False
            continue
        crowded = truth.crowd & (truth.labels == label)
        result[index] = bool((shared[crowded] / np.maximum(area(box), NO_AREA) >= IOU_RIGHT).any())
    return result


def _intersection(box_xyxy: Boxes, boxes_xyxy: Boxes) -> NDArray[np.float64]:
    """Shared area of one box (4,) with many (N, 4): (N,) square pixels."""
    low = np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    high = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:])
    return np.asarray(np.clip(high - low, 0.0, None).prod(axis=1))
