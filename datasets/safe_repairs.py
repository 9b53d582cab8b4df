"""Repairs that need no judgement, applied on request (`data.repair`): each is listed like any other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.boxes import xyxy_to_xywh
from bench.datasets.box_formats import suspect
from bench.datasets.checks.boxes import NEAR_DUPLICATE
from bench.datasets.checks.classes import plain
from bench.datasets.dataset import Source
from bench.datasets.image_files import ImageFile
from bench.datasets.pairs_of_boxes import overlapping
from bench.datasets.repairs import Repair


def apply(source: Source, image_files: Sequence[ImageFile]) -> tuple[Source, NDArray[np.bool_]]:
    """The source repaired, and a mask (N,) of its images that were kept.

    * boxes that are normalised, or corners, where the format has left, top, width and height in pixels;
    * classes whose names differ by case, spaces or dashes alone, merged under the most frequent name;
    * boxes of one class with an IoU of NEAR_DUPLICATE or more: the first is kept;
    * files that are byte-identical and have the same boxes: one is kept, in test or val before train.
    """
    source = _box_format(source, image_files)
    source = _class_names(source)
    source = _near_duplicates(source)
    return _identical_images(source, image_files)


def _box_format(source: Source, image_files: Sequence[ImageFile]) -> Source:
    listed = source.dataset.images.sizes_wh
    if image_files:
        stored = np.array([one.size_wh for one in image_files], dtype=np.int64).reshape(-1, 2)
        listed = np.where(listed > 0, listed, stored)
    suspicion = suspect(source, listed)
    if suspicion is None:
        return source
    boxes = source.dataset.boxes
    given = xyxy_to_xywh(boxes.xyxy)
    if suspicion.form == "xyxy":
        xyxy, what = given, "read as left, top, right, bottom"
    else:
        sizes = listed[boxes.image].astype(np.float64)
        xyxy, what = boxes.xyxy * np.concatenate([sizes, sizes], axis=1), "multiplied by width and height"
    made = Repair("box_format", "", detail=f"{len(boxes):,} boxes {what}")
    dataset = source.dataset.with_boxes(replace(boxes, xyxy=xyxy))
    return replace(source, dataset=dataset, repairs=(*source.repairs, made))


def _class_names(source: Source) -> Source:
    dataset = source.dataset
    counts = np.bincount(dataset.boxes.label, minlength=len(dataset.classes))
    alike: dict[str, list[int]] = defaultdict(list)
    for label, name in enumerate(dataset.classes):
        alike[plain(name)].append(label)
    if len(alike) == len(dataset.classes):
        return source
    kept = {key: max(labels, key=lambda label: (counts[label], -label)) for key, labels in alike.items()}
    classes = tuple(name for label, name in enumerate(dataset.classes) if kept[plain(name)] == label)
    index = {name: label for label, name in enumerate(classes)}
    target = np.array([index[dataset.classes[kept[plain(name)]]] for name in dataset.classes], dtype=np.int64)
    made = [
        Repair("class_merged", "", detail=f"{name!r} into {classes[target[label]]!r}")
        for label, name in enumerate(dataset.classes)
        if classes[target[label]] != name
    ]
    boxes = replace(dataset.boxes, label=target[dataset.boxes.label])
    merged = replace(dataset, classes=classes, boxes=boxes)
    return replace(source, dataset=merged, repairs=(*source.repairs, *made))


def _near_duplicates(source: Source) -> Source:
    """IoU is the same in normalised coordinates and in pixels."""
    boxes = source.dataset.boxes
    real = np.flatnonzero(~boxes.crowd)
    pairs, _ = overlapping(boxes.take(real), NEAR_DUPLICATE)
    pairs = real[pairs]
    same = boxes.label[pairs[:, 0]] == boxes.label[pairs[:, 1]]
    identical = (boxes.xyxy[pairs[:, 0]] == boxes.xyxy[pairs[:, 1]]).all(axis=1)
    gone = np.zeros(len(boxes), dtype=np.bool_)
    for first, second in pairs[same & ~identical].tolist():
        if not gone[first]:
            gone[second] = True
    names = source.dataset.images.names
    made = [
        Repair("near_duplicate", str(names[boxes.image[row]]), f"{source.record_name} {boxes.record[row]}")
        for row in np.flatnonzero(gone)
    ]
    dataset = source.dataset.with_boxes(boxes.take(~gone))
    return replace(source, dataset=dataset, repairs=(*source.repairs, *made))


def _identical_images(source: Source, image_files: Sequence[ImageFile]) -> tuple[Source, NDArray[np.bool_]]:
    dataset = source.dataset
    keep = np.ones(len(dataset.images), dtype=np.bool_)
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, one in enumerate(image_files):
        if one.sha256 and not one.problem:
            rows_of[one.sha256].append(row)
    twins = [rows for rows in rows_of.values() if len(rows) > 1]
    if not twins:
        return source, keep
    order = np.argsort(dataset.boxes.image, kind="stable")
    ends = np.searchsorted(dataset.boxes.image[order], np.arange(len(dataset.images) + 1))
    content = np.column_stack([dataset.boxes.label, dataset.boxes.crowd, dataset.boxes.xyxy])
    made = []
    for rows in twins:
        held = {row: sorted(content[order[ends[row] : ends[row + 1]]].tolist()) for row in rows}
        first = max(rows, key=lambda row: (dataset.images.splits[row], -row))
        for row in rows:
            if row != first and held[row] == held[first]:
                keep[row] = False
                name, other = dataset.images.names[row], dataset.images.names[first]
                made.append(Repair("identical_image", str(name), detail=f"same file as {other}"))
    repaired = replace(source, dataset=dataset.keep_images(keep), repairs=(*source.repairs, *made))
    return repaired, keep
