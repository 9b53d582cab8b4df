"""The chosen test pictures with each model's detections and errors, as the page draws them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.boxes import Boxes
from bench.evaluation.matches import MAX_DETECTIONS
from bench.reports.comparison import Comparison, Contestant
from bench.reports.failures import tags
from bench.reports.failures.boxes import ByImage, DetectionBoxes, detection_boxes, truth_boxes
from bench.reports.failures.choose import choose
from bench.reports.failures.errors import (
    CORRECT,
    IGNORED,
    KINDS,
    TITLES,
    ModelErrors,
    SplitErrors,
    sizes,
    split_errors,
)
from bench.reports.failures.pictures import Picture, keep, load
from bench.reports.failures.tags import Rect

MOST_SHOWN = 40
"""Detections of a model in one picture that the page keeps; more only cover each other."""

LEAST_SCORE = 0.05
"""Detections below this stay out of the page, unless the model's own threshold is lower."""


@dataclass(frozen=True)
class Mark:
    """One drawn box: a detection, a missed object, or the ground truth."""

    rect: Rect
    kind: str  # 'correct', 'ignored', 'truth', or one of errors.KINDS
    label: int  # class index
    name: str  # of the class
    size: str  # 'small', 'medium', 'large'
    truth: int | None = None  # the class of the object that a detection confuses, and of a missed object
    score: float | None = None  # of a detection; of an object the score at which it is found, None for never
    shown: bool = True  # at the model's own threshold
    by_all: bool = False  # an object that every model misses
    only: int | None = None  # an object that one model finds alone: that model's index
    tag: Rect | None = None  # where the label stands; None where there is no room

    @property
    def is_detection(self) -> bool:
        return self.kind not in ("truth", "missed")

    @property
    def text(self) -> str:
        return f"{self.name} {self.score:.2f}" if self.is_detection and self.score is not None else self.name

    @property
    def title(self) -> str:
        """For a tip: 'wrong class: dog 0.81'."""
        kind = TITLES[KINDS.index(self.kind)] if self.kind in KINDS else self.kind
        return f"{kind}: {self.text}"


@dataclass(frozen=True)
class Panel:
    """What one model makes of one picture."""

    contestant: Contestant
    threshold: float
    marks: tuple[Mark, ...]

    def count(self, kind: str) -> int:
        return sum(mark.shown and mark.kind == kind for mark in self.marks)

    @property
    def wrong(self) -> int:
        """Detections shown that are errors."""
        return sum(self.count(kind) for kind in KINDS[1:])


@dataclass(frozen=True)
class Shot:
    """One test picture."""

    id: str
    picture: Picture
    truth: tuple[Mark, ...]
    objects: int  # ground truths, crowds left out
    panels: tuple[Panel, ...]

    @property
    def errors(self) -> int:
        """Of all models."""
        return sum(panel.wrong + panel.count("missed") for panel in self.panels)

    @property
    def highest_alarm(self) -> float:
        """Score of the most confident error."""
        scores = [m.score or 0.0 for p in self.panels for m in p.marks if m.is_detection and m.shown]
        return max(scores, default=0.0)


@dataclass(frozen=True)
class Gallery:
    """The failures of all models, and the pictures that show them."""

    errors: SplitErrors | None  # None where no predictions are stored
    shots: tuple[Shot, ...]
    images: int  # of the test split
    left_out: int  # chosen pictures without room on the page
    silent: tuple[Contestant, ...]  # whose predictions are not stored


def gallery(comparison: Comparison) -> Gallery:
    """Choose the pictures and draw all models on them."""
    errors = split_errors(comparison)
    settings = comparison.settings
    chosen = choose(errors, settings.pictures) if errors else []
    pictures = load(comparison, chosen, budget_bytes=settings.megabytes * 1e6) if settings.pictures else []
    known = {model.contestant.label for model in errors.models} if errors else set()
    return Gallery(
        errors=errors,
        shots=tuple(_shots(comparison, errors, pictures)) if errors else (),
        images=errors.table.images if errors else 0,
        left_out=len(chosen) - len(pictures),
        silent=tuple(c for c in comparison.finished if c.label not in known),
    )


def keep_pictures(comparison: Comparison) -> None:
    """Store the pictures that the report shows in the run, so that it needs nothing else."""
    errors = split_errors(comparison)
    if errors and comparison.settings.pictures:
        keep(comparison, choose(errors, comparison.settings.pictures))


def _shots(comparison: Comparison, errors: SplitErrors, pictures: Sequence[Picture]) -> list[Shot]:
    (shots,) = shots_of(comparison, errors, [pictures])
    return shots


def shots_of(
    comparison: Comparison, errors: SplitErrors, pages: Iterable[Sequence[Picture]]
) -> Iterator[list[Shot]]:
    """The pictures of each page with all models on them."""
    truth_xyxy = truth_boxes(comparison, errors)
    boxes = [detection_boxes(model) for model in errors.models]
    detections = [ByImage(model) for model in errors.models]
    places = {int(image_id): place for place, image_id in enumerate(errors.table.image_ids)}
    for pictures in pages:
        yield list(_drawn(comparison, errors, pictures, truth_xyxy, boxes, detections, places))


def _drawn(
    comparison: Comparison,
    errors: SplitErrors,
    pictures: Sequence[Picture],
    truth_xyxy: Boxes,
    boxes: Sequence[DetectionBoxes],
    detections: Sequence[ByImage],
    places: Mapping[int, int],
) -> Iterator[Shot]:
    for number, picture in enumerate(pictures, 1):
        place = places.get(picture.image_id)
        if place is None:
            continue
        here = np.flatnonzero(errors.table.object_image == place)
        objects = _objects(errors, here, truth_xyxy, picture, comparison.classes)
        yield (
            Shot(
                id=f"picture-{comparison.number}-{number}",
                picture=picture,
                truth=tuple(_tagged(objects, picture)),
                objects=int(errors.real[here].sum()),
                panels=tuple(
                    _panel(model, by_image.of(place), here, objects, found_boxes, picture, comparison.classes)
                    for model, by_image, found_boxes in zip(errors.models, detections, boxes, strict=True)
                ),
            )
        )


def _objects(
    errors: SplitErrors, here: np.ndarray, boxes_xyxy: Boxes, picture: Picture, classes: Sequence[str]
) -> list[Mark]:
    """The ground truth of one picture, in the order of `here`."""
    table = errors.table
    lone = errors.found_by_one
    return [
        Mark(
            rect=_percent(boxes_xyxy[index], picture.size_wh),
            kind="truth",
            label=int(table.object_label[index]),
            name=_name(classes, int(table.object_label[index]))
            + (" (crowd)" if table.object_crowd[index] else ""),
            size=size,
            by_all=bool(errors.missed_by_all[index]),
            only=next((m.contestant.tone.index for m in errors.models if m.found[index]), None)
            if lone[index]
            else None,
        )
        for index, size in zip(here.tolist(), sizes(table.object_area[here]), strict=True)
    ]


def _panel(
    model: ModelErrors,
    mine: np.ndarray,
    here: np.ndarray,
    objects: Sequence[Mark],
    boxes: DetectionBoxes,
    picture: Picture,
    classes: Sequence[str],
) -> Panel:
    """Correct detections are drawn first, errors over them, missed objects last."""
    table = model.table
    floor = min(LEAST_SCORE, model.threshold)
    mine = mine[(table.score[mine] >= floor) & (table.rank[mine] < MAX_DETECTIONS)]
    mine = mine[np.argsort(-table.score[mine], kind="stable")][:MOST_SHOWN]
    boxes_xyxy = boxes.xyxy(table.row[mine].tolist())
    detections = [
        Mark(
            rect=_percent(box_xyxy, picture.size_wh),
            kind=_kind(int(model.kind[index])),
            label=int(table.label[index]),
            name=_name(classes, int(table.label[index])),
            size=size,
            truth=int(table.object_label[table.other_object[index]])
            if KINDS[model.kind[index]] == "class"
            else None,
            score=float(table.score[index]),
            shown=bool(table.score[index] >= model.threshold),
        )
        for index, size, box_xyxy in zip(mine.tolist(), sizes(table.area[mine]), boxes_xyxy, strict=True)
    ]
    missed = [
        replace(
            mark,
            kind="missed",
            truth=mark.label,
            score=float(model.found_score[index]) if model.found_score[index] >= 0 else None,
            shown=bool(model.missed[index]),
        )
        for index, mark in zip(here.tolist(), objects, strict=True)
        if not table.object_crowd[index]
    ]
    first = sorted([*missed, *detections], key=lambda mark: (mark.kind == "correct", -(mark.score or 0)))
    placed = _tagged([mark for mark in first if mark.shown], picture)
    hidden = [mark for mark in first if not mark.shown]
    return Panel(model.contestant, model.threshold, (*hidden, *reversed(placed)))


def _tagged(marks: Sequence[Mark], picture: Picture) -> list[Mark]:
    """With a place for each label that finds one."""
    places = tags.place([mark.rect for mark in marks], [mark.text for mark in marks], picture.size_wh)
    return [replace(mark, tag=tag) for mark, tag in zip(marks, places, strict=True)]


def _kind(kind: int) -> str:
    return {CORRECT: "correct", IGNORED: "ignored"}.get(kind) or KINDS[kind]


def _percent(box_xyxy: Boxes, size_wh: tuple[int, int]) -> Rect:
    """(4,) pixels as percent of the picture, cut at its edges."""
    x1, y1, x2, y2 = np.clip(box_xyxy * 100 / np.array([*size_wh, *size_wh]), 0.0, 100.0).tolist()
    return Rect(round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2))


def _name(classes: Sequence[str], label: int) -> str:
    return classes[label] if 0 <= label < len(classes) else f"class {label}"
