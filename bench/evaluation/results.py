"""Detections on disk, as COCO results json; what is judged is always what stands there.

One detection a line, in the order of the pictures, best score first:

    {"image_id":7,"category_id":2,"bbox":[12.25,30.5,101.125,57.0],"score":0.871234}

Boxes are rounded to a thousandth of a pixel and scores to a millionth *before* anything is judged, so that
the training's quick figures, the record's, and those of anybody who scores the file anew are the same.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import files
from bench.boxes import Boxes, xyxy_to_xywh
from bench.detector import Detections
from bench.errors import RunError
from bench.gc_pause import gc_paused
from bench.layout import CATEGORY_OFFSET, Example

BOX_DECIMALS = 3
"""A thousandth of a pixel changes the IoU of a 10 px box by about 0.0002."""

SCORE_DECIMALS = 6
"""A single-precision score has 7 digits; the lowest one kept is 0.001 (bench.detector.SCORE_FLOOR)."""

_LINES_A_PIECE = 20_000


@dataclass(frozen=True)
class Results:
    """Detections of many pictures as columns, row for row as in the file."""

    image_ids: NDArray[np.int64]  # (N,)
    category_ids: NDArray[np.int64]  # (N,)
    boxes_xywh: Boxes  # (N, 4)
    scores: NDArray[np.float64]  # (N,)
    path: Path | None = None
    """The file that they were read from."""

    def __len__(self) -> int:
        return len(self.scores)


def results_json(examples: Sequence[Example], detections: Iterable[Detections]) -> Results:
    """What a detector found in `examples`, picture for picture, rounded as the file will have it.

    `detections` may be lazy. Raises RunError where there are more or fewer than examples, or where a box or
    a score is not finite or a box has a negative width or height.
    """
    return by_image([example.image_id for example in examples], detections)


def by_image(image_ids: Iterable[int], detections: Iterable[Detections]) -> Results:
    """`results_json` for whoever knows the ids alone."""
    ids = [int(image_id) for image_id in image_ids]
    found = list(detections)
    if len(found) != len(ids):
        raise RunError(
            f"detections for {len(found)} pictures where there are {len(ids)}",
            hint="the detector's `predict` must yield one Detections a picture",
        )
    if not found:
        return Results(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
    boxes_xyxy = np.concatenate([one.boxes_xyxy for one in found])
    scores = np.concatenate([one.scores for one in found], dtype=np.float64)
    results = Results(
        image_ids=np.repeat(np.array(ids, dtype=np.int64), [len(one.scores) for one in found]),
        category_ids=np.concatenate([one.labels for one in found]).astype(np.int64) + CATEGORY_OFFSET,
        boxes_xywh=xyxy_to_xywh(boxes_xyxy).round(BOX_DECIMALS),
        scores=scores.round(SCORE_DECIMALS),
    )
    _check_values(results)
    return results


def write_results(path: Path, results: Results) -> None:
    """COCO results json, whole or not at all. Reading it back gives the very same numbers."""
    with files.replacing(path) as fresh, fresh.open("wb") as file:
        file.write(b"[")
        for piece in _pieces(results):
            file.write(piece.encode("ascii"))
        file.write(b"\n]\n")


def _pieces(results: Results) -> Iterator[str]:
    """The file's lines, many at a time; `%r` of a float is the shortest text that reads back as it."""
    for start in range(0, len(results), _LINES_A_PIECE):
        part = slice(start, start + _LINES_A_PIECE)
        columns = (results.image_ids, results.category_ids, results.boxes_xywh, results.scores)
        rows = zip(*(column[part].tolist() for column in columns), strict=True)
        lines = [
            f'\n{{"image_id":{image},"category_id":{category},"bbox":[{x!r},{y!r},{w!r},{h!r}],"score":{score!r}}}'
            for image, category, (x, y, w, h), score in rows
        ]
        yield ("," if start else "") + ",".join(lines)


def read_results(path: Path) -> Results:
    """Read any COCO results json of boxes.

    Raises RunError for a missing file, no JSON, or a record that is no detection: a missing key, a box
    without four finite numbers or of negative size, a score that is not finite.
    """
    try:
        with gc_paused():
            records = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RunError("there are no such predictions", file=path, hint=_hint(path)) from None
    except ValueError as error:
        raise RunError(f"is no JSON: {error}", file=path, hint=_hint(path)) from None
    if not isinstance(records, list):
        raise RunError("is no COCO results json: it should be a list", file=path, hint=_hint(path))
    for place, record in enumerate(records):
        if not _is_detection(record):
            raise RunError(
                "is no detection: it should have image_id, category_id, bbox [x, y, width, height], score",
                file=path,
                record=f"detection {place}",
                value=record,
                hint=_hint(path),
            )
    results = Results(
        image_ids=np.array([record["image_id"] for record in records], dtype=np.int64),
        category_ids=np.array([record["category_id"] for record in records], dtype=np.int64),
        boxes_xywh=np.array([record["bbox"] for record in records], dtype=np.float64).reshape(-1, 4),
        scores=np.array([record["score"] for record in records], dtype=np.float64),
        path=path,
    )
    _check_values(results)
    return results


def _is_detection(record: Any) -> bool:
    """The right keys with values of the right kinds; the values themselves are checked by column."""
    try:
        x, y, w, h = record["bbox"]
        numbers = x + y + w + h + record["score"]
        ids = (type(record["image_id"]), type(record["category_id"]))
    except (KeyError, TypeError, ValueError):
        return False
    return isinstance(numbers, (float, int)) and ids == (int, int)


def _check_values(results: Results) -> None:
    """Raise RunError for the first box or score that can't be judged."""
    finite = np.isfinite(results.boxes_xywh).all(axis=1) & np.isfinite(results.scores)
    sound = finite & (results.boxes_xywh[:, 2:] >= 0).all(axis=1)
    if sound.all():
        return
    place = int(np.argmin(sound))
    complaint = "a box has a negative width or height" if finite[place] else "a number is not finite"
    raise bad_detection(results, place, complaint, hint=_hint(results.path))


def bad_detection(results: Results, place: int, complaint: str, *, hint: str) -> RunError:
    """An error about one row, with all that stands there."""
    box = ", ".join(f"{number:g}" for number in results.boxes_xywh[place])
    return RunError(
        complaint,
        file=results.path,
        record=f"detection {place} (image_id {results.image_ids[place]})",
        value=f"category_id {results.category_ids[place]}, bbox [{box}], score {results.scores[place]:g}",
        hint=hint,
    )


def _hint(path: Path | None) -> str:
    """A file can be made anew; detections in memory are the detector's own fault."""
    if path is None:
        return "the detector's `predict` must give finite boxes with x1 <= x2 and y1 <= y2"
    return f"delete {path.name} and predict anew with: bench run --resume RUN"
