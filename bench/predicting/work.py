"""Run a cell's model on images, and draw and store its detections.

OUT/
  NAME.jpg, NAME.png    copies of the images with the detections drawn
  detections.json       COCO results, with names: see `_row`
  detections.csv        the same as a table
"""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from bench import files, registry
from bench.boxes import xyxy_to_xywh
from bench.cell.spec import CellSpec
from bench.datasets.image_files import inspect, quiet
from bench.datasets.pixels import upright_rgb
from bench.detector import Detections, Detector
from bench.devices import Devices
from bench.errors import RunError
from bench.layout import CATEGORY_OFFSET
from bench.predicting.drawing import draw
from bench.records import CellRecord
from bench.store import CellFolder, RunFolder

BATCH_SIZE = 8
"""Images in memory at a time, and in a batch."""

_JPEG_QUALITY = 92
_COLUMNS = ("file_name", "category_name", "score", "x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class PredictionSummary:
    """The result of a call."""

    folder: Path
    score_threshold: float
    images: int
    """Number of readable images."""
    detections: int
    empty: int
    """Number of images without a detection."""
    unreadable: tuple[tuple[Path, str], ...]
    """Path and reason of each."""


@dataclass(frozen=True)
class _Readable:
    path: Path
    image: Image.Image
    """Upright 8-bit RGB."""
    network: Path
    """The network's input: the file itself, or an upright copy of it."""


def predict(
    cell: CellFolder,
    images: Sequence[Path],
    folder: Path,
    *,
    score: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PredictionSummary:
    """Draw and store the detections of the cell's checkpoint in `images` with a score of at least `score`.

    Args:
        cell: one with a checkpoint.
        folder: for the results; created if missing.
        score: None for the threshold that was chosen on val.
        progress: called with the number of images done, and of all images.

    Raises:
        RunError: the cell has no threshold or can't be read, or the disk is full.
        WeightsError: the checkpoint can't be read.
    """
    record = cell.record()
    threshold = _threshold(cell, record) if score is None else score
    classes = _classes(cell, record)
    detector = _detector(cell, record)
    depth = _bit_depth(cell)
    names = _names(images)
    rows: list[dict[str, Any]] = []
    unreadable: list[tuple[Path, str]] = []
    empty = 0
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for begin in range(0, len(images), BATCH_SIZE):
            some = images[begin : begin + BATCH_SIZE]
            for readable, found in _found(detector, some, depth, unreadable):
                kept = _at_least(found, threshold)
                number = names[readable.path]
                _save(draw(readable.image, kept, classes), folder / number.drawn)
                rows += [_row(readable.path, number.image_id, *one, classes) for one in _each(kept)]
                empty += not len(kept.scores)
            progress(begin + len(some), len(images))
        files.write_json(folder / "detections.json", rows)
        files.write_text(folder / "detections.csv", _table(rows))
    return PredictionSummary(
        folder, threshold, len(images) - len(unreadable), len(rows), empty, tuple(unreadable)
    )


def _threshold(cell: CellFolder, record: CellRecord | None) -> float:
    if record is None or record.val is None or record.val.operating_point is None:
        raise RunError(
            "the cell was not evaluated, so it has no score threshold chosen on val",
            file=cell.root,
            hint="give one with --score",
        )
    return record.val.operating_point.score_threshold


def _classes(cell: CellFolder, record: CellRecord | None) -> tuple[str, ...]:
    """Class names in the order of the labels."""
    if record is not None and record.val is not None:
        return tuple(figures.name for figures in record.val.classes)
    return RunFolder.open(cell.root.parent.parent).info().classes


def _detector(cell: CellFolder, record: CellRecord | None) -> Detector:
    """The detector that is ranked: of the final training if there is one."""
    try:
        spec = CellSpec.read(cell)
    except ValueError as error:
        raise RunError(f"can't be read: {error}", file=cell.spec_path) from None
    family = registry.family(spec.plan.family)
    judged = cell.final if record is not None and record.final else cell
    return family.load(judged.checkpoint, device=Devices.parse("auto").resolve()[0])


def _bit_depth(cell: CellFolder) -> int | None:
    """By which the dataset's 16-bit images were scaled to 8 bits; None if it had none, or was not kept."""
    try:
        depth = RunFolder(cell.root.parent.parent).manifest().get("bit_depth")
    except RunError:
        return None
    return None if depth is None else int(depth)


@dataclass(frozen=True)
class _Name:
    image_id: int
    drawn: str


def _names(images: Sequence[Path]) -> dict[Path, _Name]:
    """A number from 1 and a unique file name for each, whatever folders they come from."""
    taken: set[str] = set()
    names: dict[Path, _Name] = {}
    for number, path in enumerate(images, start=1):
        suffix = ".jpg" if path.suffix.lower() in (".jpg", ".jpeg") else ".png"
        drawn, copy = path.stem + suffix, 1
        while drawn.lower() in taken:
            copy += 1
            drawn = f"{path.stem}-{copy}{suffix}"
        taken.add(drawn.lower())
        names[path] = _Name(number, drawn)
    return names


def _found(
    detector: Detector, images: Sequence[Path], depth: int | None, unreadable: list[tuple[Path, str]]
) -> Iterator[tuple[_Readable, Detections]]:
    """The readable images with their detections; the others are added to `unreadable`."""
    with tempfile.TemporaryDirectory(prefix="bench-predict-") as folder:
        readable = []
        for number, path in enumerate(images):
            try:
                readable.append(_read(path, Path(folder) / f"{number}.png", depth))
            except _UnreadableError as error:
                unreadable.append((path, str(error)))
        found = detector.predict([one.network for one in readable], batch_size=BATCH_SIZE)
        yield from zip(readable, found, strict=True)


class _UnreadableError(Exception):
    """Why a file is not a readable image."""


def _read(path: Path, copy: Path, depth: int | None) -> _Readable:
    with quiet():
        seen = inspect(str(path))
        if seen.problem:
            raise _UnreadableError(seen.problem)
        try:
            image = upright_rgb(str(path), depth)
        except (
            OSError,
            ValueError,
            SyntaxError,
        ) as error:  # damage that `inspect`, which reads it shrunk, does not see
            raise _UnreadableError(str(error)) from None
    if not seen.copy_because:
        return _Readable(path, image, path)
    image.save(copy, compress_level=1)
    return _Readable(path, image, copy)


def _at_least(found: Detections, threshold: float) -> Detections:
    kept = found.scores >= threshold
    return Detections(found.boxes_xyxy[kept], found.scores[kept], found.labels[kept])


def _each(found: Detections) -> Iterator[tuple[list[float], float, int]]:
    for box, score, label in zip(found.boxes_xyxy, found.scores, found.labels, strict=True):
        yield [round(float(value), 3) for value in box], round(float(score), 6), int(label)


def _row(
    path: Path, image_id: int, box: list[float], score: float, label: int, classes: Sequence[str]
) -> dict[str, Any]:
    """A COCO result, with names and the box also as corners; in pixels of the upright image."""
    (bbox_xywh,) = xyxy_to_xywh([box]).round(3).tolist()  # type: ignore[arg-type]
    return {
        "image_id": image_id,
        "file_name": str(path),
        "category_id": label + CATEGORY_OFFSET,
        "category_name": classes[label],
        "bbox": bbox_xywh,
        "bbox_xyxy": box,
        "score": score,
    }


def _table(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([row["file_name"], row["category_name"], row["score"], *row["bbox_xyxy"]])
    return text.getvalue()


def _save(image: Image.Image, path: Path) -> None:
    """Atomically."""
    jpeg = path.suffix == ".jpg"
    with files.replacing(path) as fresh, fresh.open("wb") as file:
        image.save(file, format="JPEG" if jpeg else "PNG", **({"quality": _JPEG_QUALITY} if jpeg else {}))
