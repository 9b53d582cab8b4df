"""A csv with one detection per row and named columns, such as `bench predict` writes.

Of each group below, the first column that the table has is read. Boxes are corners, or a corner and a size,
in pixels.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.errors import RunError
from bench.external.predictions import BoxForm, Key, Predictions

IMAGE = ("file_name", "filename", "image", "path", "image_name", "image_id")
CLASS = ("class", "class_name", "category_name", "label", "name", "category", "class_id", "category_id")
SCORE = ("score", "confidence", "conf", "probability")
BOXES: tuple[tuple[BoxForm, tuple[str, str, str, str]], ...] = (
    ("xyxy", ("x1", "y1", "x2", "y2")),
    ("xyxy", ("xmin", "ymin", "xmax", "ymax")),
    ("xyxy", ("left", "top", "right", "bottom")),
    ("xywh", ("x", "y", "w", "h")),
    ("xywh", ("x", "y", "width", "height")),
    ("xywh", ("left", "top", "width", "height")),
)


def read(path: Path) -> Predictions:
    """Raises RunError for a column that is missing, or the first row that has no number where one belongs."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            header = [name.strip().lower() for name in next(table, [])]
            rows = [(table.line_num, row) for row in table if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"is no csv: {error}", file=path) from None
    image, label, score = (_column(path, header, group) for group in (IMAGE, CLASS, SCORE))
    form, corners = _box_columns(path, header)
    columns = [*corners, score]
    numbers = np.empty((len(rows), 5))
    for place, (line, row) in enumerate(rows):
        try:
            numbers[place] = [float(row[column]) for column in columns]
            row[image], row[label]
        except (ValueError, IndexError):
            raise RunError(
                "should have a number in each of " + ", ".join(header[column] for column in columns),
                file=path,
                record=f"line {line}",
                value=row,
            ) from None
    return Predictions(
        path=path,
        images=_keys([row[image] for _, row in rows]),
        classes=_keys([row[label] for _, row in rows]),
        boxes=numbers[:, :4],
        form=form,
        scores=numbers[:, 4],
        record=lambda place: f"line {rows[place][0]}",
    )


def _column(path: Path, header: Sequence[str], group: Sequence[str]) -> int:
    for name in group:
        if name in header:
            return header.index(name)
    raise RunError(
        f"has no column {group[0]!r}", file=path, value=header, hint=f"name it one of: {', '.join(group)}"
    )


def _box_columns(path: Path, header: Sequence[str]) -> tuple[BoxForm, list[int]]:
    for form, names in BOXES:
        if all(name in header for name in names):
            return form, [header.index(name) for name in names]
    listed = "; ".join(" ".join(names) for _, names in BOXES)
    raise RunError("has no columns of boxes", file=path, value=header, hint=f"name them one of: {listed}")


def _keys(texts: Sequence[str]) -> Sequence[Key]:
    """Numbers where all are whole numbers, else names."""
    try:
        return [int(text) for text in texts]
    except ValueError:
        return [text.strip() for text in texts]
