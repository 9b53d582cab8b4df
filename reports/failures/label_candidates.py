"""Candidates for errors of the labels: what most models see and the label does not say, and the reverse.

* most models detect an object, each at its own threshold, where the label has none, or one of another class;
* no model finds an object that is labelled.

Detections of several models are of one thing where they name one class and overlap with IoU .50 or more.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.boxes import Boxes
from bench.reports.comparison import Comparison
from bench.reports.failures.boxes import detection_boxes, ious, truth_boxes
from bench.reports.failures.errors import BACKGROUND, CLASS, SplitErrors, split_errors

Question = Literal["no object is labelled", "another class is labelled", "no model finds it"]

MOST_DETECTIONS = 5000
"""Of each model, the most confident."""

SAME_IOU = 0.5
FILE = "label_candidates.csv"
COLUMNS = (
    *("image_id", "file_name", "question", "labelled", "models_say", "models", "score"),
    *("x", "y", "width", "height"),
)


@dataclass(frozen=True)
class Candidate:
    """One place in one image."""

    image_id: int
    file_name: str
    question: Question
    labelled: str  # class of the label; empty without one
    said: str  # class that the models name; empty where none finds anything
    models: tuple[str, ...]
    score: float | None  # mean over the models
    box_xyxy: tuple[float, float, float, float]  # pixels: the most confident detection, or the label


def label_candidates(comparison: Comparison) -> list[Candidate]:
    """Those that most models see first, the most confident of them first; none for fewer than two models.

    Computed once for a comparison.
    """
    return comparison.once(_label_candidates)


def _label_candidates(comparison: Comparison) -> list[Candidate]:
    errors = split_errors(comparison)
    if errors is None or len(errors.models) < 2:
        return []
    names = {
        image["id"]: str(image["file_name"])
        for image in (comparison.ground_truth("test") or {}).get("images", [])
    }
    seen = sorted(_seen(errors, names), key=lambda one: (-len(one.models), -(one.score or 0)))
    return seen + _not_found(comparison, errors, names)


def as_csv(found: Sequence[Candidate]) -> str:
    """For a labelling tool; boxes are x, y, width, height in pixels of the image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found:
        x1, y1, x2, y2 = one.box_xyxy
        score = "" if one.score is None else f"{one.score:.4f}"
        box = [f"{value:.2f}" for value in (x1, y1, x2 - x1, y2 - y1)]
        models = " ".join(one.models)
        writer.writerow(
            (one.image_id, one.file_name, one.question, one.labelled, one.said, models, score, *box)
        )
    return text.getvalue()


@dataclass(frozen=True)
class _Seen:
    """One wrong detection."""

    model: int
    score: float
    labelled: int  # class index; -1 for none
    box_xyxy: Boxes  # (4,)


def _seen(errors: SplitErrors, names: dict[int, str]) -> Iterator[Candidate]:
    """Groups of wrong detections of more than half of the models."""
    places: dict[tuple[int, int], list[_Seen]] = defaultdict(list)
    for number, model in enumerate(errors.models):
        table = model.table
        wrong = np.flatnonzero(model.shown & ((model.kind == BACKGROUND) | (model.kind == CLASS)))
        wrong = wrong[np.argsort(-table.score[wrong], kind="stable")][:MOST_DETECTIONS]
        boxes = detection_boxes(model)
        for index, box in zip(wrong.tolist(), boxes.xyxy(table.row[wrong].tolist()), strict=True):
            confused = model.kind[index] == CLASS
            labelled = int(table.object_label[table.other_object[index]]) if confused else -1
            key = (int(table.image[index]), int(table.label[index]))
            places[key].append(_Seen(number, float(table.score[index]), labelled, box))
    classes = errors.table.classes
    for (image, label), there in places.items():
        if 2 * len({one.model for one in there}) <= len(errors.models):
            continue
        for group in _groups(there):
            if 2 * len(group) <= len(errors.models):
                continue
            image_id, best = int(errors.table.image_ids[image]), group[0]
            yield Candidate(
                image_id,
                names.get(image_id, ""),
                "no object is labelled" if best.labelled < 0 else "another class is labelled",
                classes[best.labelled] if best.labelled >= 0 else "",
                classes[label],
                tuple(errors.models[one.model].contestant.label for one in group),
                float(np.mean([one.score for one in group])),
                _four(best.box_xyxy),
            )


def _groups(there: list[_Seen]) -> Iterator[list[_Seen]]:
    """Detections of different models that overlap the most confident one, which comes first."""
    left = sorted(there, key=lambda one: -one.score)
    while left:
        first, *rest = left
        overlaps = ious(first.box_xyxy, np.array([one.box_xyxy for one in rest]).reshape(-1, 4))
        group = {first.model: first}
        for one, iou in zip(rest, overlaps.tolist(), strict=True):
            if iou >= SAME_IOU and one.model not in group:
                group[one.model] = one
        yield list(group.values())
        used = {id(one) for one in group.values()}
        left = [one for one in rest if id(one) not in used]


def _not_found(comparison: Comparison, errors: SplitErrors, names: dict[int, str]) -> list[Candidate]:
    """Objects that no model finds at its threshold; those with the lowest scores first."""
    boxes = truth_boxes(comparison, errors)
    best = np.max([model.found_score for model in errors.models], axis=0)
    missed = np.flatnonzero(errors.missed_by_all)
    found = []
    for index in missed[np.argsort(best[missed], kind="stable")].tolist():
        image_id = int(errors.table.image_ids[errors.table.object_image[index]])
        label = errors.table.classes[int(errors.table.object_label[index])]
        found.append(
            Candidate(
                image_id,
                names.get(image_id, ""),
                "no model finds it",
                label,
                "",
                (),
                None,
                _four(boxes[index]),
            )
        )
    return found


def _four(box: Boxes) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2
