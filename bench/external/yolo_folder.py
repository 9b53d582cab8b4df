"""A folder of YOLO txt files with scores, as ultralytics writes them with `save_txt=True save_conf=True`.

One file an image, named as it; a line is: class, centre x, centre y, width, height, score. The box is in
shares of the image's size. A `classes.txt` or `data.yaml` in the folder or above it gives the classes' names.
"""

from pathlib import Path

import numpy as np
import yaml

from bench.errors import RunError
from bench.external.predictions import Predictions

_NAMES_FILE = "classes.txt"


def read(folder: Path) -> Predictions:
    """Raises RunError for a folder without txt files, or the first line that is no detection."""
    paths = [path for path in sorted(folder.rglob("*.txt")) if path.name != _NAMES_FILE]
    if not paths:
        raise RunError("has no .txt files", file=folder, hint="an image without detections may lack its file")
    images, classes, numbers, places = [], [], [], []
    for path in paths:
        stem = path.relative_to(folder).with_suffix("").as_posix()
        for line, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if not text.strip():
                continue
            label, values = _parse(path, line, text)
            images.append(stem)
            classes.append(label)
            numbers.append(values)
            places.append((path, line))
    table = np.array(numbers, dtype=np.float64).reshape(-1, 5)
    return Predictions(
        path=folder,
        images=images,
        classes=classes,
        boxes=table[:, :4],
        form="cxcywh_norm",
        scores=table[:, 4],
        record=lambda place: f"{places[place][0].relative_to(folder)}, line {places[place][1]}",
        class_names=_class_names(folder),
    )


def _parse(path: Path, line: int, text: str) -> tuple[int, list[float]]:
    parts = text.split()
    hint = "a line is: class, centre x, centre y, width, height, score"
    if len(parts) == 5:
        hint = "the score is missing: predict with save_conf=True"
    elif len(parts) > 6:
        hint = "these are outlines, not boxes: " + hint
    try:
        if len(parts) != 6:
            raise ValueError
        return int(parts[0]), [float(part) for part in parts[1:]]
    except ValueError:
        raise RunError("is no detection", file=path, record=f"line {line}", value=text, hint=hint) from None


def _class_names(folder: Path) -> tuple[str, ...]:
    for root in (folder, folder.parent):
        if (root / _NAMES_FILE).is_file():
            return tuple((root / _NAMES_FILE).read_text(encoding="utf-8").split("\n")[:-1])
        if (root / "data.yaml").is_file():
            tree = yaml.safe_load((root / "data.yaml").read_text(encoding="utf-8"))
            names = tree.get("names") if isinstance(tree, dict) else None
            if isinstance(names, dict):
                return tuple(str(names[key]) for key in sorted(names))
            return tuple(str(name) for name in names or ())
    return ()
