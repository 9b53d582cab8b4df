"""A csv with one box per row and named columns."""

import csv
import hashlib
import io
import math
from pathlib import Path

import numpy as np

from bench.data_config import DataConfig
from bench.datasets import regular_files
from bench.datasets.dataset import NO_SPLIT, BoxTable, Dataset, Images, Source
from bench.datasets.names import relative_name
from bench.datasets.problems import Problems
from bench.datasets.repairs import Repair
from bench.datasets.sources import folders
from bench.datasets.sources.coco import SPLIT_ALIASES
from bench.datasets.sources.rows import Rows
from bench.errors import DataError
from bench.layout import SPLITS

_HEADERS = {
    "image": ("image", "filename", "file_name", "image_path", "path", "image_id", "imageid", "img"),
    "label": ("class", "label", "class_name", "category", "category_name", "name", "labelname"),
    "left": ("xmin", "x_min", "x1", "left"),
    "top": ("ymin", "y_min", "y1", "top"),
    "right": ("xmax", "x_max", "x2", "right"),
    "bottom": ("ymax", "y_max", "y2", "bottom"),
    "x": ("x", "bbox_x"),
    "y": ("y", "bbox_y"),
    "w": ("w", "bbox_w", "bbox_width", "width"),
    "h": ("h", "bbox_h", "bbox_height", "height"),
    "split": ("split", "set", "subset", "partition"),
}
"""What a column means -> its usual names, in lower case."""

_CORNERS = ("left", "top", "right", "bottom")
_CORNER_AND_SIZE = ("x", "y", "w", "h")
_FARTHEST = 1e12


def find(root: Path) -> list[Path]:
    """The csv files in `root` whose columns name an image and a box."""
    return [path for path in sorted(root.glob("*.csv")) if path.is_file() and _is_table(path)]


def read(config: DataConfig, workdir: Path) -> Source:
    """Read `config.annotations`, or the only csv in the folder; `config.csv` names unusual columns.

    A row without a class and box lists an image that is background. Raises DataError.
    """
    root = folders.existing(config.path)
    path = root / config.annotations if isinstance(config.annotations, Path) else _only(root)
    try:
        content = regular_files.read(path, regular_files.ANNOTATIONS)
        lines = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        column = _columns(list(lines.fieldnames or []), config, path)
        table = _Table(root, path, config, column)
        for number, row in enumerate(lines, start=2):
            table.add(number, row)
    except FileNotFoundError:
        raise DataError("no such file", file=path, hint="correct `data.annotations`") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"can't be read as csv: {error}", file=path, hint="save it as UTF-8 csv") from None
    return table.source(hashlib.sha256(content).hexdigest())


def _only(root: Path) -> Path:
    tables = find(root) or sorted(root.glob("*.csv"))
    if len(tables) == 1:
        return tables[0]
    raise DataError(
        "has several csv files with boxes" if tables else "has no csv with boxes",
        file=root,
        value=[path.name for path in tables[:5]] or None,
        hint="name one in `data.annotations`",
    )


def _is_table(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader([file.readline(10_000)]), [])
    except (OSError, ValueError, csv.Error):
        return False
    named = {
        meaning for meaning, names in _HEADERS.items() if {one.strip().lower() for one in header} & set(names)
    }
    return {"image", "label"} <= named and (set(_CORNERS) <= named or set(_CORNER_AND_SIZE) <= named)


def _columns(header: list[str], config: DataConfig, path: Path) -> dict[str, str]:
    """Meaning -> column. Raises DataError where one is missing."""
    given = {meaning: name for meaning, name in config.csv.model_dump().items() if name is not None}
    unknown = [name for name in given.values() if name not in header]
    if unknown:
        raise DataError("has no such column", file=path, record="data.csv", value=unknown[0],
                        hint=f"its columns: {', '.join(header[:30])}")  # fmt: skip
    found = dict(given)
    for meaning, names in _HEADERS.items():
        usual = [one for one in header if one.strip().lower() in names]
        if meaning not in found and usual:
            found[meaning] = min(usual, key=lambda one: names.index(one.strip().lower()))
    box = _CORNERS if set(_CORNERS) <= set(found) else _CORNER_AND_SIZE
    missing = [meaning for meaning in ("image", "label", *box) if meaning not in found]
    if missing:
        raise DataError(
            f"has no column for {', '.join(missing)}",
            file=path,
            value=header[:30],
            hint="name the columns in `data.csv`, as csv: {image: file, label: species, left: x0}",
        )
    wanted = {"image", "label", "split", *box}
    return {meaning: name for meaning, name in found.items() if meaning in wanted}


class _Table:
    """Rows on their way into columns."""

    def __init__(self, root: Path, path: Path, config: DataConfig, column: dict[str, str]) -> None:
        self.problems = Problems()
        self._path, self._column, self._root = path, column, root
        self._box = _CORNERS if "left" in column else _CORNER_AND_SIZE
        self._rows = Rows(root)
        self._base = root / config.images if config.images else None
        self._labels: list[str] = []
        self._image: list[int] = []
        self._boxes: list[list[float]] = []
        self._records: list[int] = []
        self._split_of = {
            alias: SPLITS.index(split) for split, names in SPLIT_ALIASES.items() for alias in names
        }
        self._listed: dict[str, set[str]] = {}

    def add(self, number: int, row: dict[str, str]) -> None:
        """Take in line `number` of the file."""
        text = {meaning: (row.get(name) or "").strip() for meaning, name in self._column.items()}
        record = f"line {number}"
        try:
            name = relative_name(text["image"], absolute=True)
        except ValueError as error:
            self._bad(record, f"the image name {error}", text["image"], "names are relative to `data.images`")
            return
        image = self._row(name, text.get("split", ""), record)
        values = [text[side] for side in self._box]
        if not any(values) and not text["label"]:
            return  # an image without objects
        try:
            box = [float(value) for value in values]
        except ValueError:
            box = [math.nan]
        if not all(math.isfinite(value) and abs(value) < _FARTHEST for value in box):
            self._bad(record, "the box should be 4 finite numbers", values, "correct or delete the row")
        elif not text["label"]:
            self._bad(record, "has no class", None, "name the class, or delete the row")
        else:
            x, y, third, fourth = box
            self._boxes.append(
                [x, y, third, fourth] if "left" in self._column else [x, y, x + third, y + fourth]
            )
            self._image.append(image)
            self._labels.append(text["label"])
            self._records.append(number)

    def source(self, sha256: str) -> Source:
        """All of it. A class's index is its place in the alphabet."""
        classes = tuple(sorted(set(self._labels)))
        index = {label: number for number, label in enumerate(classes)}
        boxes = BoxTable.of(
            self._image, [index[label] for label in self._labels], self._boxes, record=self._records
        )
        images: Images = self._rows.images()
        exists = self._rows.exists()
        dataset = Dataset(classes, images, boxes)
        lost = np.bincount(boxes.image, minlength=len(images))
        repairs = [
            Repair("no_file", str(images.names[row]), detail=f"with {lost[row]} boxes")
            for row in np.flatnonzero(~exists).tolist()
        ]
        if len(images) and not exists.any():
            self.problems.add(
                "none of the pictures that it lists exists",
                file=self._path,
                value=str(images.paths[0]),
                hint="set `data.images` to the folder that the names are relative to",
            )
        return Source(
            dataset=dataset.keep_images(exists),
            record_name="line",
            repairs=tuple(repairs),
            metadata={
                "format": "csv",
                "path": str(self._root),
                "annotations": [{"file": str(self._path), "sha256": sha256}],
            },
            problems=self.problems,
            missing=dataset.keep_images(~exists),
        )

    def _row(self, name: str, split: str, record: str) -> int:
        path = self._find(name)
        number = self._split_of.get(split.lower(), NO_SPLIT)
        if split and number == NO_SPLIT:
            self._bad(
                record, "the split should be train, val or test", split, "correct it, or empty the field"
            )
        found = path is not None
        there = path or f"{self._base or self._root}/{name}"
        self._rows.add(there, (0, 0), number, str(self._path), found)
        return self._rows.row(there)

    def _find(self, name: str) -> str | None:
        """The image's path: below `data.images`, the folder itself or its `images`, also by its base name."""
        bases = [self._base] if self._base else [self._root, self._root / "images", self._root / "train"]
        for wanted in dict.fromkeys((name.lstrip("/"), name.rpartition("/")[2])):
            for base in bases:
                folder, _, file = f"{base}/{wanted}".rpartition("/")
                if folder not in self._listed:
                    self._listed[folder] = set(folders.files(Path(folder)))
                if file in self._listed[folder]:
                    return f"{folder}/{file}"
        return None

    def _bad(self, record: str, message: str, value: object, hint: str) -> None:
        self.problems.add(message, file=self._path, record=record, value=value, hint=hint)
