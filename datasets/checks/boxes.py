"""Findings about boxes: outside, without area, tiny, duplicates, in another form."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.boxes import area, clip
from bench.datasets.box_formats import suspect
from bench.datasets.checks.finding import Finding, found
from bench.datasets.checks.subject import Subject
from bench.datasets.pairs_of_boxes import overlapping
from bench.datasets.settle import CLIP_TOLERANCE, LEAST_SIDE

TINY = 4.0
"""Pixels; on a shorter side a detector's finest feature map, of stride 4 or 8, hardly sees an object."""

COVERING = 0.98
"""Share of the image from which a box covers all of it."""

NEAR_DUPLICATE = 0.9
"""IoU of two boxes of one class that most likely mean one object."""

SAME_BOX = 0.95
"""IoU of two boxes of different classes that are drawn round the same thing."""


def check(subject: Subject) -> Iterator[Finding]:
    """All findings about boxes."""
    dataset = subject.dataset
    boxes = dataset.boxes
    sizes = dataset.images.sizes_wh[boxes.image].astype(np.float64)
    known = (sizes > 0).all(axis=1)
    suspicion = suspect(subject.source, dataset.images.sizes_wh)
    if suspicion is not None:
        yield from found(
            f"boxes_{suspicion.form}",
            "error",
            suspicion.message,
            suspicion.hint,
            subject.box_examples(suspicion.rows),
            len(suspicion.rows),
        )
    inside = clip(boxes.xyxy, sizes)
    sides = (inside[:, 2:] - inside[:, :2]).min(axis=1, initial=np.inf)
    given = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]).min(axis=1, initial=np.inf)
    flat = known & (given < LEAST_SIDE)
    gone = known & ~flat & (sides < LEAST_SIDE)
    cut = known & ~flat & ~gone & (np.abs(inside - boxes.xyxy) > CLIP_TOLERANCE).any(axis=1)
    tiny = known & ~flat & ~gone & (sides < TINY)
    whole = known & ~boxes.crowd & (area(inside) >= COVERING * sizes.prod(axis=1))
    share = f" of {len(boxes):,}"
    for kind, mask, severity, message, hint in (
        ("degenerate", flat, "warning", "boxes without width or height", "`bench data convert` drops them"),
        ("outside", gone, "warning", "boxes wholly outside their picture", "`bench data convert` drops them"),
        (
            "clipped",
            cut,
            "warning",
            "boxes that extend beyond their picture",
            "`bench data convert` clips them",
        ),
        (
            "tiny",
            tiny,
            "info",
            f"boxes with a side under {TINY:g} pixels",
            "train with larger inputs, or tiles",
        ),
        (
            "covers_all",
            whole,
            "info",
            "boxes that cover their whole picture",
            "check that an object is meant",
        ),
        ("crowd", boxes.crowd, "info", "crowd regions", "nothing to do: not trained on, ignored in scoring"),
    ):
        rows = np.flatnonzero(mask)
        examples = subject.box_examples(rows)
        yield from found(kind, severity, f"{message} ({len(rows):,}{share})", hint, examples, len(rows))  # type: ignore[arg-type]
    yield from _duplicates(subject, np.flatnonzero(subject.real & ~flat))


def _duplicates(subject: Subject, rows: NDArray[np.intp]) -> Iterator[Finding]:
    boxes = subject.dataset.boxes.take(rows)
    pairs, iou = overlapping(boxes, NEAR_DUPLICATE)
    same = boxes.label[pairs[:, 0]] == boxes.label[pairs[:, 1]]
    exact = (boxes.xyxy[pairs[:, 0]] == boxes.xyxy[pairs[:, 1]]).all(axis=1)
    for kind, mask, message, hint in (
        (
            "repeated",
            same & exact,
            "boxes identical to another of their class",
            "`bench data convert` drops one",
        ),
        (
            "near_duplicate",
            same & ~exact,
            f"pairs of boxes of one class with an IoU of {NEAR_DUPLICATE:g} or more",
            "delete one of each; `bench data convert --repair` does",
        ),
        (
            "two_classes",
            ~same & (iou >= SAME_BOX),
            f"pairs of boxes of different classes with an IoU of {SAME_BOX:g} or more",
            "decide on one class, or merge the classes with `data.classes`",
        ),
    ):
        chosen = rows[pairs[mask]]
        examples = subject.box_examples(chosen[:, 1], chosen[:, 0])
        yield from found(kind, "warning", message, hint, examples, len(chosen))
