"""What detections must look like."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.detector import MAX_DETECTIONS, SCORE_FLOOR, Detections

_FRAME_SLACK = 1e-6  # pixels; for sums of floats


def faults(path: Path, found: Detections, *, classes: int) -> list[str]:
    """What is wrong with the detections in the image at `path`, one sentence each."""
    with Image.open(path) as image:
        width, height = image.size
    boxes, scores, labels = found.boxes_xyxy, found.scores, found.labels
    where = f"predict ({path.name}, {width} x {height})"
    if boxes.shape != (len(scores), 4) or labels.shape != scores.shape:
        return [f"{where}: shapes are {boxes.shape}, {scores.shape}, {labels.shape}"]
    limit = np.array([width, height] * 2) + _FRAME_SLACK
    checks = {
        f"{len(scores)} detections are more than {MAX_DETECTIONS}": len(scores) <= MAX_DETECTIONS,
        "boxes are not float64": boxes.dtype == np.float64,
        "a box lies outside the image": ((boxes >= -_FRAME_SLACK) & (boxes <= limit)).all(),
        "a box has its corners swapped": (boxes[:, 2:] >= boxes[:, :2]).all(),
        "scores are not sorted, best first": (np.diff(scores) <= 0).all(),
        f"a score is not between {SCORE_FLOOR} and 1": ((scores >= SCORE_FLOOR) & (scores <= 1)).all(),
        "a label is not a class index": ((labels >= 0) & (labels < classes)).all(),
    }
    return [f"{where}: {failure}" for failure, holds in checks.items() if not holds]


def equal(one: Sequence[Detections], other: Sequence[Detections]) -> bool:
    """To the last bit."""
    return len(one) == len(other) and all(
        np.array_equal(a.boxes_xyxy, b.boxes_xyxy)
        and np.array_equal(a.scores, b.scores)
        and np.array_equal(a.labels, b.labels)
        for a, b in zip(one, other, strict=True)
    )
