"""The box round trip: what goes in as ground truth comes out where it was."""

from collections.abc import Sequence

import numpy as np

from bench.detector import Detections, Inspectable
from bench.gates.gate import GateFailed
from bench.layout import Example

HALF_A_PIXEL = 0.51
"""A hundredth more, for sums of floats: ultralytics' letterbox is off by just that where a side is odd."""

SURE = 0.5
"""What a perfect network says, it says with a higher score than this."""


def round_trip(detector: Inspectable, examples: Sequence[Example], input_size: int) -> str:
    """Every box within half a pixel of the picture, or of the network's input where that is coarser.

    Raises GateFailed naming the first picture and box that comes back elsewhere, or not at all.
    """
    worst = 0.0
    for example, found in zip(examples, echoes(detector, examples), strict=True):
        coarse = max(1.0, max(example.size_wh) / input_size)
        off = _furthest(example, found)
        if off > HALF_A_PIXEL * coarse:
            raise GateFailed(_told(example, found, off))
        worst = max(worst, off)
    return f"{sum(len(e.labels) for e in examples)} boxes come back within {worst:.2f} pixels"


def echoes(detector: Inspectable, examples: Sequence[Example]) -> list[Detections]:
    """The echo, sure detections alone. Raises GateFailed where a picture has too many or too few."""
    heard = [_sure(found) for found in detector.round_trip(examples)]
    if len(heard) != len(examples):
        raise GateFailed(f"{len(examples)} pictures gave {len(heard)} results")
    for example, found in zip(examples, heard, strict=True):
        if len(found.labels) != len(example.labels):
            raise GateFailed(
                f"{_name(example)}: {len(example.labels)} boxes went in, {len(found.labels)} came back"
            )
    return heard


def partners(example: Example, found: Detections) -> np.ndarray:
    """For each ground truth the detection whose centre is nearest, (N,)."""
    mine, theirs = (boxes[:, :2] + boxes[:, 2:] for boxes in (example.boxes_xyxy, found.boxes_xyxy))
    return np.asarray(np.abs(mine[:, None] - theirs[None]).sum(axis=2).argmin(axis=1))


def _sure(found: Detections) -> Detections:
    rows = found.scores > SURE
    return Detections(found.boxes_xyxy[rows], found.scores[rows], found.labels[rows])


def _furthest(example: Example, found: Detections) -> float:
    """Largest distance of an edge from where it should be, pixels."""
    nearest = found.boxes_xyxy[partners(example, found)]
    return float(np.abs(nearest - example.boxes_xyxy).max(initial=0.0))


def _told(example: Example, found: Detections, off: float) -> str:
    offsets = np.abs(found.boxes_xyxy[partners(example, found)] - example.boxes_xyxy).max(axis=1)
    row = int(offsets.argmax())
    sent, back = example.boxes_xyxy[row], found.boxes_xyxy[partners(example, found)][row]
    return (
        f"{_name(example)}: the box {_written(sent)} comes back as {_written(back)}, {off:.1f} pixels off "
        "(x1 y1 x2 y2): training and prediction do not mean the same by a box"
    )


def _written(box: np.ndarray) -> str:
    return " ".join(f"{side:.1f}" for side in box)


def _name(example: Example) -> str:
    width, height = example.size_wh
    return f"{example.path.name} ({width}x{height})"
