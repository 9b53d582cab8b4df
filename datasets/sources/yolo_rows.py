"""One YOLO label file: a box or a polygon a line, in shares of the picture."""

import math
from typing import NamedTuple

from bench.datasets.problems import Problems

TOLERANCE = 0.01
"""A share may miss 0 to 1 by so much and is clipped; beyond that it is no share (ultralytics: the same)."""


class Row(NamedTuple):
    """A line that holds an object."""

    line: int  # from 1
    label: int
    box: tuple[float, float, float, float]  # xyxy, shares
    points: int  # of the polygon that the box was computed from; 0 for a box


def label_path(image: str) -> str:
    """Where a picture's labels belong: its last folder `images` turned to `labels`, as in ultralytics."""
    head, middle, tail = image.rpartition("/images/")
    base = f"{head}/labels/{tail}" if middle else image
    stem, dot, suffix = base.rpartition(".")
    return f"{stem if dot and '/' not in suffix else base}.txt"


def content_of(path: str, image: str) -> bytes | None:
    """The label file's bytes, from its own place or beside the picture; None where there is neither."""
    for candidate in (path, image.rpartition(".")[0] + ".txt"):
        try:
            with open(candidate, "rb") as file:  # noqa: PTH123 -- 100,000 times
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            continue
    return None


def parse(content: bytes, path: str, classes: int, problems: Problems) -> list[Row]:
    """The rows of one file; those that are none go to `problems`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        problems.add("is no text", file=path)
        return []
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        settings = line.split()
        if not settings:
            continue
        try:
            rows.append(_row(number, settings, classes))
        except ValueError as error:
            message, _, hint = str(error).partition("|")
            problems.add(message, file=path, record=f"line {number}", value=_short(line), hint=hint or None)
    return rows


def _row(number: int, settings: list[str], classes: int) -> Row:
    """Raises ValueError: message, and after a bar the mend."""
    try:
        values = [float(setting) for setting in settings]
    except ValueError:
        raise ValueError("holds something that is no number") from None
    label, shares = values[0], values[1:]
    if not all(map(math.isfinite, values)):
        raise ValueError("holds a number that is not finite")
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        raise ValueError(
            f"has {len(values)} numbers|a box has 5 (class, centre x and y, width, height), a polygon "
            "a class and at least 3 points of 2"
        )
    if label != int(label) or label < 0:
        raise ValueError("the class should be a whole number from 0")
    if label >= classes:
        raise ValueError(f"the class is beyond the {classes} of data.yaml|its classes count from 0")
    if min(shares) < -TOLERANCE or max(shares) > 1 + TOLERANCE:
        raise ValueError("a coordinate is outside 0..1|YOLO's are shares of the picture's width and height")
    if len(values) == 5:
        x, y, width, height = shares
        return Row(number, int(label), (x - width / 2, y - height / 2, x + width / 2, y + height / 2), 0)
    across, down = shares[0::2], shares[1::2]
    return Row(number, int(label), (min(across), min(down), max(across), max(down)), len(across))


def _short(line: str) -> str:
    return line if len(line) <= 80 else line[:77] + "..."
