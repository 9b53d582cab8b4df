"""Two hashes: of a layout's inputs (its folder's name), and of its content (its key).

The input hash covers paths and modification times, so no image has to be opened; the content hash covers
content alone, so the same data has the same key on every machine.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset, Source
from bench.datasets.image_files import ImageFile
from bench.layout import SPLITS

_LENGTH = 16
"""Hex digits: 64 bits."""


def of_inputs(source: Source, settings: Mapping[str, Any]) -> str:
    """Hash the source's rows, its images' paths, sizes and times, and `settings` (JSON values)."""
    digest = hashlib.sha256(json.dumps([settings, dict(source.metadata)], sort_keys=True).encode())
    images, boxes = source.dataset.images, source.dataset.boxes
    for column in (images.sizes_wh, images.splits, boxes.image, boxes.label, boxes.xyxy, boxes.crowd):
        digest.update(np.ascontiguousarray(column).tobytes())
    texts = [*source.dataset.classes, *images.names.tolist(), *images.paths.tolist()]
    texts += [f"{found.kind}\0{found.image}\0{found.record}" for found in source.repairs]
    digest.update("\n".join(texts).encode("utf-8", "surrogatepass"))
    stats = np.array([_stat(path) for path in images.paths.tolist()], dtype=np.int64)
    digest.update(stats.tobytes())
    return digest.hexdigest()[:_LENGTH]


def of_content(dataset: Dataset, split: NDArray[np.int8], image_files: Sequence[ImageFile]) -> str:
    """Hash classes, names and bytes of the images, boxes and split, for images that have a split."""
    digest = hashlib.sha256(json.dumps(dataset.classes).encode())
    kept = (split >= 0) & (split < len(SPLITS))
    rows = np.flatnonzero(kept)
    names = dataset.images.names
    order = np.array(sorted(rows.tolist(), key=names.__getitem__), dtype=np.intp)
    for row in order.tolist():
        content = image_files[row].sha256 if image_files else ""
        digest.update(f"{names[row]}\0{split[row]}\0{content}\n".encode("utf-8", "surrogatepass"))
    position = np.full(len(names), -1, dtype=np.int64)
    position[order] = np.arange(len(order))
    boxes = dataset.boxes.take(kept[dataset.boxes.image])
    xyxy = np.round(boxes.xyxy, 3) + 0.0  # the sum turns -0.0 into 0.0
    image = position[boxes.image]
    by_value = np.lexsort((*xyxy.T[::-1], boxes.label, image))
    for column in (image, boxes.label, boxes.crowd, xyxy):
        digest.update(column[by_value].tobytes())
    digest.update(dataset.images.sizes_wh[order].tobytes())
    return digest.hexdigest()[:_LENGTH]


def _stat(path: str) -> tuple[int, int]:
    """Size in bytes and modification time in ns; (-1, -1) for a file that has disappeared."""
    try:
        found = os.stat(path)  # noqa: PTH116 -- 100,000 times
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns
