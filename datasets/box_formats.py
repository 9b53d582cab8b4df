"""Recognise boxes in another form than the one that the format prescribes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.boxes import xyxy_to_xywh
from bench.datasets.dataset import Source
from bench.datasets.image_files import ImageFile
from bench.errors import DataError

_FEWEST = 5
"""Boxes needed to judge by."""

_SHARE = 0.1
"""Of all boxes: as many must leave their image as xywh, and none as xyxy, before xyxy is suspected."""

_SLACK = 1.0
"""Pixels by which a box may leave its image in its true form."""


@dataclass(frozen=True)
class Suspicion:
    """Another form that fits the boxes better."""

    form: str  # normalized, xyxy
    message: str
    hint: str
    rows: NDArray[np.intp]
    """Boxes that speak for it."""


def suspect(source: Source, sizes_wh: NDArray[np.int64]) -> Suspicion | None:
    """Whether boxes in pixels look normalised or, given as xywh, look like xyxy.

    `sizes_wh`: (N, 2) of the images, (0, 0) where unknown.
    """
    boxes = source.dataset.boxes
    sizes = sizes_wh[boxes.image].astype(np.float64)
    known = (sizes > 0).all(axis=1)
    if source.normalized or source.known_good or known.sum() < _FEWEST:
        return None
    rows = np.flatnonzero(known)
    given = xyxy_to_xywh(boxes.xyxy[rows])
    sizes = sizes[rows]
    if (np.abs(given) <= 1).all() and (given[:, 2:] > 0).any():
        return Suspicion(
            "normalized",
            f"all {len(rows):,} boxes have coordinates between 0 and 1: they look normalised, not in pixels",
            "multiply them by the picture's width and height; COCO's boxes are in pixels",
            rows,
        )
    outside = (given[:, :2] + given[:, 2:] > sizes + _SLACK).any(axis=1)
    corners = (given[:, 2:] > given[:, :2]).all() and (given[:, 2:] <= sizes + _SLACK).all()
    if corners and outside.mean() >= _SHARE:
        return Suspicion(
            "xyxy",
            f"{int(outside.sum()):,} of {len(rows):,} boxes leave their picture if read as left, top, width, "
            "height, and none if read as left, top, right, bottom: they look like corners",
            "write width = right - left and height = bottom - top; COCO's boxes are left, top, width, height",
            rows[outside],
        )
    return None


def refuse_other_formats(source: Source, image_files: Sequence[ImageFile]) -> None:
    """Raises DataError if the boxes look normalised, or like corners."""
    listed = source.dataset.images.sizes_wh
    if image_files:
        stored = np.array([one.size_wh for one in image_files], dtype=np.int64).reshape(-1, 2)
        listed = np.where(listed > 0, listed, stored)
    suspicion = suspect(source, listed)
    if suspicion is not None:
        files = source.metadata.get("annotations") or [{}]
        raise DataError(suspicion.message, file=files[0].get("file"), record="bbox", hint=suspicion.hint)
