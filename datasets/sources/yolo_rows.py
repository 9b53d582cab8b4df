"""One YOLO label file: one box or polygon per line, normalised to 0..1 of the image."""

import math
from typing import NamedTuple

from bench.datasets import regular_files
from bench.datasets.problems import Problems

TOLERANCE = 0.01
"""A coordinate may exceed 0..1 by this much and is clipped; beyond that it is an error (as ultralytics)."""


_POSE_ROWS = 10
"""Rows that must look like pose labels before they are taken for some."""


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
    """The label file's bytes, from `path` or beside the image; None if neither exists. Raises OSError."""
    for candidate in (path, image.rpartition(".")[0] + ".txt"):
        try:
            return regular_files.read(candidate, regular_files.LABELS)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return None


class PoseTest:
    """Whether all rows look like pose labels: a box (centre, size), then keypoints inside it.

    Such a row passes for a polygon, whose first two points are then the box's centre and its size.
    """

    def __init__(self) -> None:
        self._numbers = 0
        self._rows = 0
        self._numbers_each = {2, 3}

    def add(self, values: list[float]) -> None:
        """A row: its class and numbers."""
        if self._numbers_each and self._numbers in (0, len(values)) and len(values) > 5:
            self._numbers = len(values)
            self._rows += 1
            self._numbers_each = {each for each in self._numbers_each if _is_pose(values, each)}
        else:
            self._numbers_each = set()

    def shape(self) -> tuple[int, int] | None:
        """`kpt_shape` (keypoints, numbers each) if all of at least _POSE_ROWS rows fit, else None."""
        each = min(self._numbers_each, default=0)
        return ((self._numbers - 5) // each, each) if each and self._rows >= _POSE_ROWS else None


def _is_pose(values: list[float], each: int) -> bool:
    x, y, width, height = values[1:5]
    keypoints = [values[start : start + each] for start in range(5, len(values), each)]
    if len(keypoints[-1]) != each or (each == 3 and any(point[2] not in (0, 1, 2) for point in keypoints)):
        return False
    slack = 0.01
    if min(x - width / 2, y - height / 2) < -slack or max(x + width / 2, y + height / 2) > 1 + slack:
        return False
    return all(
        (abs(point[0] - x) <= width / 2 + slack and abs(point[1] - y) <= height / 2 + slack)
        or point[:2] == [0, 0]  # a keypoint that is not labelled
        for point in keypoints
    )


def parse(
    content: bytes,
    path: str,
    classes: int,
    problems: Problems,
    keypoints: tuple[int, int] | None = None,
    pose: PoseTest | None = None,
) -> list[LabelRow]:
    """The rows of one file; bad lines go to `problems`. `keypoints`: `kpt_shape` of pose labels."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        problems.add("is not UTF-8 text", file=path, hint="save it as UTF-8")
        return []
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            rows.append(_row(number, fields, classes, keypoints, pose))
        except ValueError as error:
            message, _, hint = str(error).partition("|")
            problems.add(message, file=path, record=f"line {number}", value=_short(line), hint=hint or None)
    return rows


def _row(
    number: int,
    fields: list[str],
    classes: int,
    keypoints: tuple[int, int] | None,
    pose: PoseTest | None,
) -> LabelRow:
    """Raises ValueError: the message and, after a `|`, the hint."""
    try:
        values = [float(field) for field in fields]
    except ValueError:
        raise ValueError("contains something that is not a number|write numbers alone") from None
    points = 0
    if keypoints:
        points = keypoints[0]
        needed = 5 + keypoints[0] * keypoints[1]
        if len(values) != needed:
            raise ValueError(f"has {len(values)} numbers|kpt_shape {list(keypoints)} needs {needed}")
        values = values[:5]
    elif pose is not None:
        pose.add(values)
    label, coordinates = values[0], values[1:]
    if not all(map(math.isfinite, values)):
        raise ValueError("contains a number that is not finite|correct or delete the line")
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        raise ValueError(
            f"has {len(values)} numbers|a box has 5 (class, centre x and y, width, height), a polygon "
            "a class and at least 3 points of 2"
        )
    if label != int(label) or label < 0:
        raise ValueError("the class should be a whole number from 0|its number in `names`")
    if label >= classes:
        raise ValueError(f"the class is beyond the {classes} of data.yaml|its classes count from 0")
    if min(coordinates) < -TOLERANCE or max(coordinates) > 1 + TOLERANCE:
        raise ValueError("a coordinate is outside 0..1|YOLO normalises by the picture's width and height")
    if len(values) == 5:
        x, y, width, height = coordinates
        return LabelRow(
            number, int(label), (x - width / 2, y - height / 2, x + width / 2, y + height / 2), points
        )
    across, down = coordinates[0::2], coordinates[1::2]
    return LabelRow(number, int(label), (min(across), min(down), max(across), max(down)), len(across))


def _short(line: str) -> str:
    return line if len(line) <= 80 else line[:77] + "..."
