"""Properties of images by which detectors may differ: objects in them, crowding, brightness, sharpness.

The first two follow from the ground truth. The others need the images: a run measures its test images when it
is created, so that its report needs no dataset.
"""

import csv
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench import files
from bench.errors import RunError
from bench.evaluation import GroundTruth
from bench.layout import Example

LONG_SIDE = 640
"""Pixels to which larger images are shrunk first: about what a detector sees of them."""

Floats = NDArray[np.float64]

_COLUMNS = ("image_id", "brightness", "sharpness")


def object_counts(truth: GroundTruth) -> Floats:
    """Objects in each image without crowds, (I,), in the order of `image_ids`."""
    there = truth.object_image[~truth.object_crowd]
    return np.bincount(there, minlength=len(truth.image_ids)).astype(np.float64)


def crowding(truth: GroundTruth) -> Floats:
    """How far an image's objects overlap, (I,): the mean over objects of the largest IoU with another one.

    Of any class; crowds are left out. 0.0 in an image with one object, NaN in one with none.
    """
    there = np.flatnonzero(~truth.object_crowd)
    there = there[np.argsort(truth.object_image[there], kind="stable")]
    edges = np.searchsorted(truth.object_image[there], np.arange(len(truth.image_ids) + 1))
    found = np.full(len(truth.image_ids), np.nan)
    for image in np.flatnonzero(np.diff(edges)):
        found[image] = _largest_ious(truth.object_xywh[there[edges[image] : edges[image + 1]]]).mean()
    return found


def _largest_ious(boxes_xywh: Floats) -> Floats:
    """Of each box with any other, (N,)."""
    x, y, w, h = boxes_xywh.T
    width = np.minimum.outer(x + w, x + w) - np.maximum.outer(x, x)
    height = np.minimum.outer(y + h, y + h) - np.maximum.outer(y, y)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = np.add.outer(w * h, w * h) - shared
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    np.fill_diagonal(iou, 0.0)
    return np.asarray(iou.max(axis=1))


def brightness_and_sharpness(path: Path) -> tuple[float, float]:
    """Of one image, as grey values (ITU-R BT.601) from 0 to 1: their mean, and the variance of the Laplacian.

    The variance of the Laplacian is a focus measure (Pech-Pacheco et al. 2000): low for a blurred image, but
    also for one without texture or contrast. Images are shrunk to LONG_SIDE first, never enlarged.
    """
    with Image.open(path) as image:
        image.draft("L", (LONG_SIDE, LONG_SIDE))  # libjpeg decodes no more than is needed
        grey = image.convert("L")
    grey.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BOX)
    values = np.asarray(grey, dtype=np.float64) / 255
    middle = values[1:-1, 1:-1]
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return float(values.mean()), float((around - 4 * middle).var()) if middle.size else 0.0


def write_image_properties(path: Path, examples: Sequence[Example]) -> None:
    """A csv with the columns image_id, brightness and sharpness, whole or not at all."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # PIL decodes without the GIL
        found = list(pool.map(lambda example: brightness_and_sharpness(example.path), examples))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for example, (brightness, sharpness) in zip(examples, found, strict=True):
        writer.writerow((example.image_id, f"{brightness:.4f}", f"{sharpness:.6f}"))
    files.write_text(path, text.getvalue())


def read_image_properties(path: Path, image_ids: NDArray[np.int64]) -> dict[str, Floats]:
    """Property -> value of each of `image_ids`, NaN where the file has none; empty where there is no file, as
    in runs of earlier versions and in those made from predictions alone.

    Raises RunError for a damaged file.
    """
    if not path.is_file():
        return {}
    hint = "delete it: the report then goes without brightness and sharpness"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = {int(row["image_id"]): row for row in csv.DictReader(file)}
        return {
            name: np.array([float(rows[i][name]) if i in rows else np.nan for i in image_ids.tolist()])
            for name in _COLUMNS[1:]
        }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"can't be read: {error}", file=path, hint=hint) from None
