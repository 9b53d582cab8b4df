"""The reader for a file or folder of predictions, by its suffix."""

from pathlib import Path

import numpy as np

from bench.errors import RunError
from bench.external import coco_results, csv_table, yolo_folder
from bench.external.predictions import Predictions


def read_predictions(path: Path) -> Predictions:
    """Read COCO results json, a csv, or a folder of YOLO txt files.

    Raises RunError for a missing file, an unknown format, or the first record that is no detection.
    """
    if path.is_dir():
        found = yolo_folder.read(path)
    elif not path.is_file():
        raise RunError("there are no such predictions", file=path, hint="name a .json, a .csv or a folder")
    elif path.suffix.lower() == ".json":
        found = coco_results.read(path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        found = csv_table.read(path)
    else:
        raise RunError(
            "is no known format of predictions",
            file=path,
            hint="give COCO results (.json), a table (.csv), or a folder of YOLO .txt files with scores",
        )
    _check(found)
    return found


def _check(found: Predictions) -> None:
    """Raise RunError for the first box or score that is no number, or a box of negative size."""
    sound = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
    if not sound.all():
        place = int(np.argmin(sound))
        raise found.error(
            place,
            "a number is not finite",
            value=f"box {found.boxes[place].tolist()}, score {found.scores[place]}",
            hint="leave such detections out",
        )
    size = found.boxes[:, 2:] - found.boxes[:, :2] if found.form == "xyxy" else found.boxes[:, 2:]
    negative = (size < 0).any(axis=1)
    if negative.any():
        place = int(np.argmax(negative))
        form = {"xyxy": "x1, y1, x2, y2", "xywh": "x, y, width, height"}.get(found.form, "YOLO's")
        raise found.error(
            place,
            "a box has a negative width or height",
            value=found.boxes[place].tolist(),
            hint=f"boxes are read as {form}",
        )
