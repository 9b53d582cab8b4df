"""The same test pictures side by side: ground truth, then what each model found, drawn over one picture."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import earlier
from bench.boxes import Boxes, xywh_to_xyxy
from bench.errors import BenchError
from bench.evaluation import Judge, matches_of
from bench.layout import CATEGORY_OFFSET
from bench.reports.comparison import Comparison, Contestant, Run
from bench.reports.stored import read_json
from bench.store import Sample

MOST_SHOWN = 40
"""Detections of a picture that the page keeps a model; more only cover each other."""

LEAST_SCORE = 0.05
"""Detections below this stay out of the page, unless the model's own threshold is lower."""

MOST_BYTES = 1_200_000
"""Of pictures in one page; the first is always kept."""

_KINDS = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"RI": "image/webp"}


@dataclass(frozen=True)
class Box:
    """One box, in percent of the picture, and what stands on its tag."""

    left: float
    top: float
    width: float
    height: float
    name: str
    score: float | None  # None for ground truth
    right: bool
    shown: bool  # at or over the model's own threshold

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def tag_leftwards(self) -> bool:
        """The tag ends at the box's right edge, because it would leave the picture otherwise."""
        return self.left > 55

    @property
    def tag_inside(self) -> bool:
        """There is no room above the box."""
        return self.top < 9


@dataclass(frozen=True)
class _Found:
    """One model's detections in one image, best first, or its ground truth."""

    boxes_xyxy: Boxes  # (N, 4)
    labels: NDArray[np.int64]  # (N,)
    scores: NDArray[np.float64]  # (N,)
    crowd: NDArray[np.bool_]  # (N,)
    right: NDArray[np.bool_]  # (N,) not a false positive at the operating point's IoU, 0.5


@dataclass(frozen=True)
class Panel:
    """What one model found in one picture."""

    contestant: Contestant
    threshold: float
    boxes: tuple[Box, ...]
    readable: bool  # its predictions are stored, and fit the ground truth

    @property
    def found(self) -> int:
        return sum(box.shown for box in self.boxes)

    @property
    def right(self) -> int:
        return sum(box.shown and box.right for box in self.boxes)


@dataclass(frozen=True)
class Shot:
    """One test picture."""

    id: str
    file_name: str
    size_wh: tuple[int, int]
    data_uri: str
    truth: tuple[Box, ...]
    objects: int  # ground truths, crowds left out
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Gallery:
    """All shots, and how many samples had no room."""

    shots: tuple[Shot, ...]
    left_out: int


def gallery(comparison: Comparison, *, budget: int = MOST_BYTES) -> Gallery:
    """The samples of the first run that has some, in their order, until `budget` bytes are used up."""
    source = next((run for run in comparison.runs if _samples_path(run).is_file()), None)
    truth = comparison.ground_truth("test")
    if source is None or truth is None:
        return Gallery((), 0)
    samples = [Sample.model_validate(item) for item in earlier.upgrade(read_json(_samples_path(source)))]
    annotations = _by_image(truth.get("annotations", []))
    judges = {run.folder.root: Judge.of_run(run.folder) for run in comparison.runs}
    found = {c.label: _predictions(c, judges[c.run.folder.root]) for c in comparison.finished}
    shots: list[Shot] = []
    for sample in samples:
        uri = _data_uri(source.folder.samples_dir / sample.image, source.folder.samples_dir)
        if uri is None or (shots and len(uri) > budget):
            continue
        budget -= len(uri)
        shots.append(_shot(comparison, sample, uri, annotations.get(sample.image_id, []), found, len(shots)))
    return Gallery(tuple(shots), len(samples) - len(shots))


def _samples_path(run: Run) -> Path:
    return run.folder.samples_dir / "samples.json"


def _shot(
    comparison: Comparison,
    sample: Sample,
    uri: str,
    annotations: Sequence[dict[str, Any]],
    found: Mapping[str, dict[int, list[dict[str, Any]]] | None],
    number: int,
) -> Shot:
    truth = _gathered(annotations)
    return Shot(
        id=f"picture-{comparison.number}-{number + 1}",
        file_name=sample.file_name,
        size_wh=sample.size_wh,
        data_uri=uri,
        truth=_boxes(truth, comparison.classes, sample.size_wh, None),
        objects=int((~truth.crowd).sum()),
        panels=tuple(
            _panel(contestant, comparison.classes, sample, found[contestant.label])
            for contestant in comparison.finished
        ),
    )


def _panel(
    contestant: Contestant,
    classes: Sequence[str],
    sample: Sample,
    predictions: dict[int, list[dict[str, Any]]] | None,
) -> Panel:
    record = contestant.shown
    threshold = record.ranked.operating_point.score_threshold if record and record.ranked else 0.5
    if predictions is None:
        return Panel(contestant, threshold, (), readable=False)
    floor = min(LEAST_SCORE, threshold)
    mine = [item for item in predictions.get(sample.image_id, []) if item["score"] >= floor]
    found = _gathered(sorted(mine, key=lambda item: -item["score"])[:MOST_SHOWN])
    boxes = _boxes(found, classes, sample.size_wh, threshold)
    return Panel(contestant, threshold, boxes, readable=True)


def _boxes(
    found: _Found,
    classes: Sequence[str],
    size_wh: tuple[int, int],
    threshold: float | None,
) -> tuple[Box, ...]:
    """For the page, worst first, so that the best are drawn on top; `threshold` is None for ground truth."""
    scale = 100 / np.array([*size_wh, *size_wh], dtype=np.float64)
    percents = np.clip(found.boxes_xyxy * scale, 0.0, 100.0).round(2)
    return tuple(
        Box(
            left=float(x1),
            top=float(y1),
            width=round(float(x2 - x1), 2),
            height=round(float(y2 - y1), 2),
            name=_name(classes, int(label)) + (" (crowd)" if crowd else ""),
            score=None if threshold is None else float(score),
            right=bool(good),
            shown=threshold is None or bool(score >= threshold),
        )
        for (x1, y1, x2, y2), label, score, crowd, good in reversed(
            list(zip(percents, found.labels, found.scores, found.crowd, found.right, strict=True))
        )
    )


def _name(classes: Sequence[str], label: int) -> str:
    return classes[label] if 0 <= label < len(classes) else f"class {label}"


def _gathered(items: Sequence[dict[str, Any]]) -> _Found:
    """COCO annotations or results, in their order."""
    return _Found(
        boxes_xyxy=xywh_to_xyxy(np.array([item["bbox"] for item in items], dtype=np.float64)),
        labels=np.array([item["category_id"] for item in items], dtype=np.int64) - CATEGORY_OFFSET,
        scores=np.array([item.get("score", 1.0) for item in items], dtype=np.float64),
        crowd=np.array([bool(item.get("iscrowd", 0)) for item in items], dtype=np.bool_),
        right=np.array([item.get("right", True) for item in items], dtype=np.bool_),
    )


def _by_image(items: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    grouped: dict[int, list[dict[str, Any]]] = {}
    for item in items:
        grouped.setdefault(item["image_id"], []).append(item)
    return grouped


def _predictions(contestant: Contestant, judge: Judge) -> dict[int, list[dict[str, Any]]] | None:
    """The shown cell's test detections by image, each with `right`; None where they can't be had.

    A detection on a crowd counts neither way and is drawn as right.
    """
    if contestant.shown is None:
        return None
    cell = contestant.run.folder.cell(contestant.shown.cell)
    cell = cell.final if contestant.shown.final else cell
    try:
        table = matches_of(contestant.run.folder, cell, "test", judge=judge)
        items: list[dict[str, Any]] = read_json(cell.predictions_path("test"))
    except BenchError:
        return None
    _, false = table.outcome()
    for row, wrong in zip(table.row.tolist(), false.tolist(), strict=True):
        items[row]["right"] = not wrong
    return _by_image(items)


def _data_uri(path: Path, folder: Path) -> str | None:
    """The picture inside the page; None where it is missing, of a strange kind, or outside `folder`."""
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        return None
    content = path.read_bytes()
    kind = _KINDS.get(content[:2])
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}" if kind else None
