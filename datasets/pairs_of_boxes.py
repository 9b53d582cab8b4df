"""Pairs of boxes of one image that overlap."""

import numpy as np
from numpy.typing import NDArray

from bench.boxes import area
from bench.datasets.dataset import BoxTable

_AT_ONCE = 4_000_000
"""Pairs compared at a time: about 0.5 GB."""


def overlapping(boxes: BoxTable, least_iou: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pairs of rows, (P, 2), the earlier first, whose boxes have at least that IoU; and their IoU, (P,)."""
    order = np.argsort(boxes.image, kind="stable")
    image = boxes.image[order]
    # Box k of an image is paired with the `later` ones behind it.
    ends = np.searchsorted(image, image, side="right")
    later = ends - np.arange(len(image)) - 1
    starts = np.concatenate([[0], np.cumsum(later)])
    pairs, ious = [np.zeros((0, 2), dtype=np.intp)], [np.zeros(0)]
    low = 0
    while low < len(image):
        high = max(low + 1, int(np.searchsorted(starts, starts[low] + _AT_ONCE, side="right")) - 1)
        counts = later[low:high]
        first = np.repeat(np.arange(low, high), counts)
        step = np.arange(len(first)) - np.repeat(starts[low:high] - starts[low], counts)
        one, other = order[first], order[first + 1 + step]
        iou = _iou(boxes.xyxy[one], boxes.xyxy[other])
        close = iou >= least_iou
        pairs.append(np.sort(np.stack([one[close], other[close]], axis=1), axis=1))
        ious.append(iou[close])
        low = high
    return np.concatenate(pairs), np.concatenate(ious)


def _iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    common = np.clip(sides, 0, None).prod(axis=1)
    union = area(one) + area(other) - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))
