"""From what a source says to what its pictures bear out: frames settled, boxes inside, changes listed."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.boxes import clip
from bench.datasets.dataset import BoxTable, Dataset, Images, Source
from bench.datasets.findings import Finding
from bench.datasets.image_files import ImageFile, turn_boxes
from bench.errors import DataError

CLIP_TOLERANCE = 0.01
"""Pixels by which a box may reach out without being listed: the rounding of a txt with six decimals."""

LEAST_SIDE = 1e-3
"""Pixels; a box with a shorter side is degenerate (a label file with eight decimals could not hold it)."""

ASPECT_TOLERANCE = 0.01
"""Relative difference of the two scales up to which a resized picture still has the listed shape."""


def settle(source: Source, image_files: list[ImageFile]) -> tuple[Dataset, list[Finding], NDArray[np.intp]]:
    """Check a source against its pictures (one Picture a row of `images`, or none where all are known good).

    Returns the dataset in upright pixels, without unusable pictures; what was mended; and which rows of the
    source's images were kept. Raises DataError where nothing is left.
    """
    dataset, findings = source.dataset, list(source.findings)
    keep = np.ones(len(dataset.images), dtype=np.bool_)
    if image_files:
        dataset, keep = _fit_images(source, image_files, findings)
    boxes = _distinct(dataset, source.record_word, findings)
    dataset = dataset.with_boxes(boxes)
    dataset = dataset.with_boxes(_inside(dataset, source.record_word, findings)).keep_images(keep)
    if not len(dataset.images):
        raise DataError(
            "no picture is left" if len(keep) else "the dataset is empty: it has no picture",
            file=str(source.account.get("path", "")) or None,
            value=findings[0].detail if findings else None,
        )
    if not len(dataset.boxes):
        raise DataError(
            "the dataset has no box: nothing can be learnt from it",
            file=str(source.account.get("path", "")) or None,
        )
    return dataset, findings, np.flatnonzero(keep)


def _fit_images(
    source: Source, image_files: list[ImageFile], findings: list[Finding]
) -> tuple[Dataset, NDArray[np.bool_]]:
    """Upright sizes and boxes; False in the mask where a picture can't be used."""
    dataset = source.dataset
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
            findings.append(Finding("unreadable", name, detail=f"{image_file.problem}; {len(mine)} boxes"))
            continue
        if image_file.orientation != 1:
            findings.append(Finding("oriented", name, detail=f"EXIF orientation {image_file.orientation}"))
        elif image_file.copy_because:
            findings.append(Finding("converted", name, detail=image_file.copy_because))
        if source.shares or listed == image_file.size_wh:
            continue
        if listed == (0, 0):
            findings.append(Finding("size_missing", name, detail=_wh(image_file.size_wh)))
            continue
        moved = _to_upright(xyxy[mine], listed, image_file)
        if moved is None:
            keep[row] = False
            upright[row] = 0
            detail = f"listed {_wh(listed)}, the file has {_wh(image_file.size_wh)}; {len(mine)} boxes"
            findings.append(Finding("size_disagrees", name, detail=detail))
            continue
        xyxy[mine], kind = moved
        findings.append(
            Finding(kind, name, detail=f"listed {_wh(listed)}, the picture has {_wh(image_file.size_wh)}")
        )
    if source.shares:
        xyxy *= np.concatenate([upright, upright], axis=1)[dataset.boxes.image]
    settled = Images(images.names, images.paths, upright, images.splits)
    return Dataset(dataset.classes, settled, replace(dataset.boxes, xyxy=xyxy)), keep


def _to_upright(
    boxes_xyxy: NDArray[np.float64], listed: tuple[int, int], image_file: ImageFile
) -> tuple[NDArray[np.float64], str] | None:
    """Boxes of a frame of the `listed` size in the upright picture, and the kind of Finding; else None.

    A size that fits the picture upright is taken for that, as annotation tools show pictures upright.
    """
    width, height = image_file.size_wh
    if image_file.orientation >= 5 and listed == (height, width):
        return turn_boxes(boxes_xyxy, listed, image_file.orientation), "oriented_boxes"
    across, down = width / listed[0], height / listed[1]
    if abs(across / down - 1) <= ASPECT_TOLERANCE:
        return boxes_xyxy * [across, down, across, down], "resized"
    return None


def _inside(dataset: Dataset, setting: str, findings: list[Finding]) -> BoxTable:
    """Boxes cut at the edge of their picture; what has no area there is dropped."""
    boxes = dataset.boxes
    sizes = dataset.images.sizes_wh[boxes.image].astype(np.float64)
    given = boxes.xyxy
    # Unread pictures have the size 0: their boxes leave with them, and are no findings of their own.
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
            findings.append(Finding(kind, name, f"{setting} {boxes.record[row]}", detail))
    return replace(boxes, xyxy=inside).take(~flat)


def _distinct(dataset: Dataset, setting: str, findings: list[Finding]) -> BoxTable:
    """Without boxes that repeat an earlier one of the same picture and class to the last bit."""
    boxes = dataset.boxes
    columns = [boxes.image.view(np.uint64), boxes.label.view(np.uint64)]
    columns += [np.ascontiguousarray(boxes.xyxy[:, side]).view(np.uint64) for side in range(4)]
    key = np.zeros(len(boxes), dtype=np.uint64)
    for column in columns:  # FNV-1a over whole words; equal keys are compared in full below
        key = (key ^ column) * np.uint64(0x100000001B3) + (key >> np.uint64(29))
    order = np.argsort(key, kind="stable")
    twins = np.flatnonzero(key[order][1:] == key[order][:-1])
    again = np.zeros(len(boxes), dtype=np.bool_)
    for position in twins:
        first, second = order[position], order[position + 1]
        again[second] = all(column[first] == column[second] for column in columns)
    for row in np.flatnonzero(again):
        name = dataset.images.names[boxes.image[row]]
        findings.append(Finding("repeated", name, f"{setting} {boxes.record[row]}", _box(boxes.xyxy[row])))
    return boxes.take(~again)


def _rows_by_image(image: NDArray[np.int64], count: int) -> list[NDArray[np.intp]]:
    """For each picture the rows of its boxes."""
    order = np.argsort(image, kind="stable")
    return np.split(order, np.cumsum(np.bincount(image, minlength=count))[:-1]) if count else []


def _wh(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"


def _box(box_xyxy: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{side:.6g}" for side in box_xyxy.tolist()) + ")"
