"""The box round trip: ground-truth boxes must come back where they were."""

from collections.abc import Sequence

import numpy as np

from bench.detector import Detections, Inspectable
from bench.gates.gate import GateFailed
from bench.layout import Example

HALF_A_PIXEL = 0.51
"""Plus 0.01 for rounding: ultralytics' letterbox is off by half a pixel where a side is odd."""

SURE = 0.5
"""Detections of a perfect network score higher than this."""


def round_trip(detector: Inspectable, examples: Sequence[Example], input_size: int) -> str:
    """Every box must come back within half a pixel of the image, or of the network's input if that is
    coarser.

    Raises GateFailed naming the first image and box that comes back elsewhere, or not at all.
    """
    worst = 0.0
    for example, found in zip(examples, round_trip_detections(detector, examples), strict=True):
        coarse = max(1.0, max(example.size_wh) / input_size)
        off = _furthest(example, found)
        if off > HALF_A_PIXEL * coarse:
            raise GateFailed(_message(example, found, off))
        worst = max(worst, off)
    return f"{sum(len(e.labels) for e in examples)} boxes come back within {worst:.2f} pixels"


def round_trip_detections(detector: Inspectable, examples: Sequence[Example]) -> list[Detections]:
    """The sure detections of `Inspectable.round_trip`. Raises GateFailed where an image has too many or too
    few."""
    returned = [_sure(found) for found in detector.round_trip(examples)]
    if len(returned) != len(examples):
        raise GateFailed(f"{len(examples)} images gave {len(returned)} results")
    for example, found in zip(examples, returned, strict=True):
        if len(found.labels) != len(example.labels):
            raise GateFailed(
                f"{_name(example)}: {len(example.labels)} boxes went in, {len(found.labels)} came back"
            )
    return returned


def nearest(example: Example, found: Detections) -> np.ndarray:
    """For each ground-truth box the index of the detection with the nearest centre, (N,)."""
    mine, theirs = (boxes[:, :2] + boxes[:, 2:] for boxes in (example.boxes_xyxy, found.boxes_xyxy))
    return np.asarray(np.abs(mine[:, None] - theirs[None]).sum(axis=2).argmin(axis=1))


def _sure(found: Detections) -> Detections:
    rows = found.scores > SURE
    return Detections(found.boxes_xyxy[rows], found.scores[rows], found.labels[rows])


def _furthest(example: Example, found: Detections) -> float:
    """Largest distance of an edge from where it should be, pixels."""
    matched = found.boxes_xyxy[nearest(example, found)]
    return float(np.abs(matched - example.boxes_xyxy).max(initial=0.0))


def _message(example: Example, found: Detections, off: float) -> str:
    offsets = np.abs(found.boxes_xyxy[nearest(example, found)] - example.boxes_xyxy).max(axis=1)
    row = int(offsets.argmax())
    sent, back = example.boxes_xyxy[row], found.boxes_xyxy[nearest(example, found)][row]
    return (
        f"{_name(example)}: the box {_format(sent)} comes back as {_format(back)}, {off:.1f} pixels off "
        "(x1 y1 x2 y2): training and prediction encode boxes differently"
    )


def _format(box: np.ndarray) -> str:
    return " ".join(f"{side:.1f}" for side in box)


def _name(example: Example) -> str:
    width, height = example.size_wh
    return f"{example.path.name} ({width}x{height})"
