"""Box geometry on arrays of shape (N, 4), float64, absolute pixels, `xyxy` unless the name says otherwise.

Coordinates are continuous: a box from x1 to x2 is x2 - x1 wide, and an image of width w spans 0 to w.
"""

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


def empty() -> Boxes:
    """No boxes, shape (0, 4)."""
    return np.zeros((0, 4), dtype=np.float64)


def xywh_to_xyxy(boxes_xywh: Boxes) -> Boxes:
    """Left, top, width, height -> left, top, right, bottom."""
    boxes = np.asarray(boxes_xywh, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xyxy_to_xywh(boxes_xyxy: Boxes) -> Boxes:
    """Left, top, right, bottom -> left, top, width, height."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def cxcywh_norm_to_xyxy(boxes_cxcywh_norm: Boxes, sizes_wh: Boxes) -> Boxes:
    """Centre and size as fractions of the image -> pixels; `sizes_wh` is (2,) or (N, 2)."""
    boxes = np.asarray(boxes_cxcywh_norm, dtype=np.float64).reshape(-1, 4)
    half = boxes[:, 2:] / 2
    scale = np.asarray(sizes_wh, dtype=np.float64)
    return np.concatenate([(boxes[:, :2] - half) * scale, (boxes[:, :2] + half) * scale], axis=1)


def xyxy_to_cxcywh_norm(boxes_xyxy: Boxes, sizes_wh: Boxes) -> Boxes:
    """Pixels -> centre and size as fractions of the image; `sizes_wh` is (2,) or (N, 2)."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    scale = np.asarray(sizes_wh, dtype=np.float64)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([centre / scale, (boxes[:, 2:] - boxes[:, :2]) / scale], axis=1)


def clip(boxes_xyxy: Boxes, sizes_wh: Boxes) -> Boxes:
    """The part of each box that lies inside its image; `sizes_wh` is (2,) or (N, 2)."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    limit = np.broadcast_to(np.asarray(sizes_wh, dtype=np.float64), (len(boxes), 2))
    return np.clip(boxes, 0.0, np.concatenate([limit, limit], axis=1))


def area(boxes_xyxy: Boxes) -> NDArray[np.float64]:
    """Square pixels, shape (N,)."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
