"""One YOLO label file: one box or polygon per line, normalised to 0..1 of the image."""

import math
from typing import NamedTuple

from bench.datasets.problems import Problems

TOLERANCE = 0.01
"""A coordinate may exceed 0..1 by this much and is clipped; beyond that it is an error (as ultralytics)."""


class LabelRow(NamedTuple):
    """A line with an object."""

    line: int  # from 1
    label: int
    box: tuple[float, float, float, float]  # xyxy, normalised
    points: int  # of the polygon that the box encloses; 0 for a plain box


def label_path(image: str) -> str:
    """The label file of an image: its last folder `images` replaced by `labels`, as in ultralytics."""
    head, middle, tail = image.rpartition("/images/")
    base = f"{head}/labels/{tail}" if middle else image
    stem, dot, suffix = base.rpartition(".")
    return f"{stem if dot and '/' not in suffix else base}.txt"


def content_of(path: str, image: str) -> bytes | None:
    """The label file's bytes, from `path` or from beside the image; None if neither exists."""
    for candidate in (path, image.rpartition(".")[0] + ".txt"):
        try:
            with open(candidate, "rb") as file:  # noqa: PTH123 -- 100,000 times
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            continue
    return None


def parse(content: bytes, path: str, classes: int, problems: Problems) -> list[LabelRow]:
    """The rows of one file; bad lines go to `problems`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        problems.add("is not UTF-8 text", file=path)
        return []
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            rows.append(_row(number, fields, classes))
        except ValueError as error:
            message, _, hint = str(error).partition("|")
            problems.add(message, file=path, record=f"line {number}", value=_short(line), hint=hint or None)
    return rows


def _row(number: int, fields: list[str], classes: int) -> LabelRow:
    """Raises ValueError: the message and, after a `|`, the hint."""
    try:
        values = [float(field) for field in fields]
    except ValueError:
        raise ValueError("contains something that is not a number") from None
    label, coordinates = values[0], values[1:]
    if not all(map(math.isfinite, values)):
        raise ValueError("contains a number that is not finite")
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        raise ValueError(
            f"has {len(values)} numbers|a box has 5 (class, centre x and y, width, height), a polygon "
            "a class and at least 3 points of 2"
        )
    if label != int(label) or label < 0:
        raise ValueError("the class should be a whole number from 0")
    if label >= classes:
        raise ValueError(f"the class is beyond the {classes} of data.yaml|its classes count from 0")
    if min(coordinates) < -TOLERANCE or max(coordinates) > 1 + TOLERANCE:
        raise ValueError("a coordinate is outside 0..1|YOLO normalises by the picture's width and height")
    if len(values) == 5:
        x, y, width, height = coordinates
        return LabelRow(number, int(label), (x - width / 2, y - height / 2, x + width / 2, y + height / 2), 0)
    across, down = coordinates[0::2], coordinates[1::2]
    return LabelRow(number, int(label), (min(across), min(down), max(across), max(down)), len(across))


def _short(line: str) -> str:
    return line if len(line) <= 80 else line[:77] + "..."
