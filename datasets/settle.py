"""Reconcile a source's annotations with its image files: sizes, orientation, boxes inside the image."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.boxes import clip
from bench.datasets.dataset import BoxTable, Dataset, Images, Source
from bench.datasets.image_files import ImageFile
from bench.datasets.pixels import turn_boxes
from bench.datasets.repairs import Repair
from bench.errors import DataError

CLIP_TOLERANCE = 0.01
"""Pixels by which a box may exceed its image without being listed: rounding of a txt with six decimals."""

LEAST_SIDE = 1e-3
"""Pixels; a box with a shorter side is degenerate (a label file with eight decimals could not hold it)."""

ASPECT_TOLERANCE = 0.01
"""Relative difference of the x and y scale up to which an image counts as resized in proportion."""


def settle(
    source: Source, image_files: Sequence[ImageFile]
) -> tuple[Dataset, list[Repair], NDArray[np.intp]]:
    """Check a source against its image files (one per row of `images`, or none if `known_good`).

    Returns the dataset in upright pixels without unusable images, the repairs made, and the rows of the
    source's images that were kept. Raises DataError if no image or no box is left.
    """
    dataset, keep, repairs = fit_images(source, image_files)
    boxes = _distinct(dataset, source.record_name, repairs)
    dataset = dataset.with_boxes(boxes)
    dataset = dataset.with_boxes(_inside(dataset, source.record_name, repairs)).keep_images(keep)
    if not len(dataset.images):
        raise DataError(
            "no picture is left" if len(keep) else "the dataset has no picture",
            file=str(source.metadata.get("path", "")) or None,
            value=repairs[0].detail if repairs else None,
            hint="see what is wrong with each: bench data check PATH",
        )
    if not len(dataset.boxes):
        raise DataError(
            "the dataset has no box",
            file=str(source.metadata.get("path", "")) or None,
            hint="check that the annotations belong to these pictures: bench data check PATH",
        )
    return dataset, repairs, np.flatnonzero(keep)


def fit_images(
    source: Source, image_files: Sequence[ImageFile]
) -> tuple[Dataset, NDArray[np.bool_], list[Repair]]:
    """The dataset with upright sizes and boxes, a mask (N,) of the usable images, and all repairs so far.

    Boxes are neither clipped nor dropped.
    """
    dataset, repairs = source.dataset, list(source.repairs)
    if not image_files:
        return dataset, np.ones(len(dataset.images), dtype=np.bool_), repairs
    images, xyxy = dataset.images, dataset.boxes.xyxy.copy()
    keep = np.ones(len(images), dtype=np.bool_)
    upright = np.array([image_file.size_wh for image_file in image_files], dtype=np.int64).reshape(-1, 2)
    by_image = _rows_by_image(dataset.boxes.image, len(images))
    for row, image_file in enumerate(image_files):
        name = images.names[row]
        listed: tuple[int, int] = (int(images.sizes_wh[row, 0]), int(images.sizes_wh[row, 1]))
        mine = by_image[row]
        if image_file.problem:
            keep[row] = False
            repairs.append(Repair("unreadable", name, detail=f"{image_file.problem}; {len(mine)} boxes"))
            continue
        if image_file.orientation != 1:
            repairs.append(Repair("oriented", name, detail=f"EXIF orientation {image_file.orientation}"))
        elif image_file.copy_because:
            repairs.append(Repair("converted", name, detail=image_file.copy_because))
        if source.normalized or listed == image_file.size_wh:
            continue
        if listed == (0, 0):
            repairs.append(Repair("size_missing", name, detail=_wh(image_file.size_wh)))
            continue
        moved = _to_upright(xyxy[mine], listed, image_file)
        if moved is None:
            keep[row] = False
            upright[row] = 0
            detail = f"listed {_wh(listed)}, the file has {_wh(image_file.size_wh)}; {len(mine)} boxes"
            repairs.append(Repair("size_disagrees", name, detail=detail))
            continue
        xyxy[mine], kind = moved
        repairs.append(
            Repair(kind, name, detail=f"listed {_wh(listed)}, the picture has {_wh(image_file.size_wh)}")
        )
    if source.normalized:
        xyxy *= np.concatenate([upright, upright], axis=1)[dataset.boxes.image]
    settled = Images(images.names, images.paths, upright, images.splits)
    return Dataset(dataset.classes, settled, replace(dataset.boxes, xyxy=xyxy)), keep, repairs


def _to_upright(
    boxes_xyxy: NDArray[np.float64], listed: tuple[int, int], image_file: ImageFile
) -> tuple[NDArray[np.float64], str] | None:
    """Boxes moved from a frame of the `listed` size to the upright image, and the kind of Repair.

    None if the listed size fits neither orientation. A size that fits the upright image is read as upright,
    because annotation tools show images upright.
    """
    width, height = image_file.size_wh
    if image_file.orientation >= 5 and listed == (height, width):
        return turn_boxes(boxes_xyxy, listed, image_file.orientation), "oriented_boxes"
    across, down = width / listed[0], height / listed[1]
    if abs(across / down - 1) <= ASPECT_TOLERANCE:
        return boxes_xyxy * [across, down, across, down], "resized"
    return None


def _inside(dataset: Dataset, record_name: str, repairs: list[Repair]) -> BoxTable:
    """Clip boxes at the edge of their image and drop those without area."""
    boxes = dataset.boxes
    sizes = dataset.images.sizes_wh[boxes.image].astype(np.float64)
    given = boxes.xyxy
    # Unreadable images have size 0: their boxes are dropped with them and are not listed one by one.
    known = (sizes > 0).all(axis=1)
    inside = clip(given, sizes)
    sides = inside[:, 2:] - inside[:, :2]
    flat = np.logical_and(known, sides.min(axis=1, initial=np.inf) < LEAST_SIDE)
    cut = known & ~flat & (np.abs(inside - given) > CLIP_TOLERANCE).any(axis=1)
    for kind, rows in (("clipped", np.flatnonzero(cut)), ("degenerate", np.flatnonzero(flat))):
        for row in rows:
            detail = _box(given[row])
            if kind == "clipped":
                detail += f" -> {_box(inside[row])}"
            name = dataset.images.names[boxes.image[row]]
            repairs.append(Repair(kind, name, f"{record_name} {boxes.record[row]}", detail))
    return replace(boxes, xyxy=inside).take(~flat)


def _distinct(dataset: Dataset, record_name: str, repairs: list[Repair]) -> BoxTable:
    """Drop boxes that are bit-identical to an earlier one of the same image and class."""
    boxes = dataset.boxes
    columns = [boxes.image.view(np.uint64), boxes.label.view(np.uint64)]
    columns += [np.ascontiguousarray(boxes.xyxy[:, side]).view(np.uint64) for side in range(4)]
    key = np.zeros(len(boxes), dtype=np.uint64)
    for column in columns:  # FNV-1a over 64-bit words; equal keys are compared in full below
        key = (key ^ column) * np.uint64(0x100000001B3) + (key >> np.uint64(29))
    order = np.argsort(key, kind="stable")
    twins = np.flatnonzero(key[order][1:] == key[order][:-1])
    again = np.zeros(len(boxes), dtype=np.bool_)
    for position in twins:
        first, second = order[position], order[position + 1]
        again[second] = all(column[first] == column[second] for column in columns)
    for row in np.flatnonzero(again):
        name = dataset.images.names[boxes.image[row]]
        repairs.append(Repair("repeated", name, f"{record_name} {boxes.record[row]}", _box(boxes.xyxy[row])))
    return boxes.take(~again)


def _rows_by_image(image: NDArray[np.int64], count: int) -> list[NDArray[np.intp]]:
    """For each image the rows of its boxes."""
    order = np.argsort(image, kind="stable")
    return np.split(order, np.cumsum(np.bincount(image, minlength=count))[:-1]) if count else []


def _wh(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"


def _box(box_xyxy: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{side:.6g}" for side in box_xyxy.tolist()) + ")"
