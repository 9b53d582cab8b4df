"""Writing a prepared dataset as bench.layout describes it: whole or not at all, by however many processes."""

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import yaml
from numpy.typing import NDArray

from bench import files
from bench.boxes import xyxy_to_cxcywh_norm, xyxy_to_xywh
from bench.datasets import pictures as picture_files
from bench.datasets.dataset import Dataset
from bench.datasets.findings import Finding
from bench.datasets.names import layout_names
from bench.datasets.pictures import Picture
from bench.datasets.progress import Progress, nothing
from bench.layout import CATEGORY_OFFSET, SPLITS, Layout, SplitName

FORMAT_VERSION = 1
"""Part of every layout's name: a change of what is written makes old layouts stale."""

_PIXEL_DECIMALS = 4
"""Of coordinates in COCO json: a tenth of a thousandth of a pixel."""


@dataclass(frozen=True)
class Prepared:
    """A dataset that is ready to be written."""

    dataset: Dataset
    split: NDArray[np.int8]  # (N,) index into SPLITS; anything else is left out
    pictures: Sequence[Picture]  # (N,), or empty where all are known to be good as they are
    findings: Sequence[Finding]

    def file_names(self) -> list[str]:
        """The layout's name of each picture; the same ones whatever `split` leaves out."""
        names: list[str] = self.dataset.images.names.tolist()
        if self.pictures:
            return layout_names(names, [picture.suffix for picture in self.pictures])
        return layout_names(names, [Path(name).suffix for name in names])


def finished(root: Path) -> Layout | None:
    """The layout that stands there, or None."""
    return Layout.open(root) if (root / "manifest.json").is_file() else None


def write(root: Path, prepared: Prepared, manifest: dict[str, Any], progress: Progress = nothing) -> Layout:
    """Write all of it beside `root`, then rename. Where another process was faster, its layout is taken.

    Raises RunError for a full disk; nothing is left behind then.
    """
    with _whole_folder(root) as folder:
        file_names = prepared.file_names()
        for split in SPLITS:
            rows = _rows_of(prepared, split)
            chosen = [file_names[row] for row in rows]
            place_pictures(folder / "images" / split, prepared, rows, chosen, split, progress)
            part = _Part(prepared.dataset, rows, chosen)
            part.write_labels(folder / "labels" / split, partial(progress, f"{split} labels"))
            part.write_coco(folder / "annotations" / f"{split}.json", _first_ids(prepared, split))
        _write_data_yaml(folder / "data.yaml", prepared.dataset.classes)
        _write_repairs(folder / "repairs.csv", prepared.findings)
        files.write_json(folder / "manifest.json", manifest)
    return Layout.open(root)


@contextmanager
def _whole_folder(root: Path) -> Iterator[Path]:
    """A temporary neighbour that becomes `root` when the block ends well, and is gone otherwise."""
    with files.full_disk_is_an_error(root):
        root.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
        try:
            folder.chmod(0o755)
            yield folder
            _rename(folder, root)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _rename(folder: Path, root: Path) -> None:
    """Take the place, unless a finished layout has it; what is there unfinished is somebody's ruin."""
    try:
        folder.rename(root)
    except OSError:
        if finished(root):
            return
        shutil.rmtree(root, ignore_errors=True)
        folder.rename(root)


def _rows_of(prepared: Prepared, split: SplitName) -> NDArray[np.intp]:
    """Rows of the split's pictures, by name."""
    names = prepared.dataset.images.names
    rows = np.flatnonzero(prepared.split == SPLITS.index(split))
    return np.array(sorted(rows.tolist(), key=names.__getitem__), dtype=np.intp)


def _first_ids(prepared: Prepared, split: SplitName) -> tuple[int, int]:
    """Ids of the split's first picture and box: no id stands in two splits."""
    earlier = [SPLITS.index(name) for name in SPLITS[: SPLITS.index(split)]]
    before = np.isin(prepared.split, earlier)
    return int(before.sum()) + 1, int(before[prepared.dataset.boxes.image].sum()) + 1


def place_pictures(
    folder: Path,
    prepared: Prepared,
    rows: NDArray[np.intp],
    file_names: Sequence[str],
    split: str,
    progress: Progress,
) -> None:
    """Links to the originals, and upright 8-bit RGB copies where a framework can't be given the original."""
    folder.mkdir(parents=True)
    paths = prepared.dataset.images.paths
    copies: list[tuple[str, Path]] = []
    for count, (row, name) in enumerate(zip(rows.tolist(), file_names, strict=True), start=1):
        if prepared.pictures and prepared.pictures[row].copy_because:
            copies.append((paths[row], folder / name))
        else:
            _link(paths[row], f"{folder}/{name}")
        if count % 1000 == 0:
            progress(f"{split} pictures", count, len(rows))
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for count, _ in enumerate(pool.map(_copy, copies), start=1):
            progress(f"{split} pictures converted", count, len(copies))


def _link(original: str, name: str) -> None:
    """A link, or a copy on a file system that knows none (exFAT, some network drives)."""
    try:
        os.symlink(original, name)  # noqa: PTH211 -- a Path for each of 100,000 costs more than the link
    except (PermissionError, NotImplementedError):
        shutil.copyfile(original, name)


def _copy(pair: tuple[str, Path]) -> None:
    original, target = pair
    picture_files.upright_rgb(original).save(target, format="PNG", compress_level=1)


class _Part:
    """One split's pictures and boxes, in the order in which they are written."""

    def __init__(self, dataset: Dataset, rows: NDArray[np.intp], file_names: Sequence[str]) -> None:
        position = np.full(len(dataset.images), -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        mine = np.flatnonzero(position[dataset.boxes.image] >= 0)
        order = np.argsort(position[dataset.boxes.image[mine]], kind="stable")
        self.boxes = dataset.boxes.take(mine[order])
        self.image = position[self.boxes.image]  # (M,) position of each box's picture, ascending
        self.sizes_wh = dataset.images.sizes_wh[rows]
        self.names: list[str] = dataset.images.names[rows].tolist()
        self.file_names = file_names
        self.classes = dataset.classes

    def write_labels(self, folder: Path, told: Callable[[int, int], None]) -> None:
        """YOLO txt: class, centre, size as shares with 8 decimals, without crowds: no one trains on those."""
        folder.mkdir(parents=True)
        real = ~self.boxes.crowd
        image = self.image[real]
        shares = xyxy_to_cxcywh_norm(self.boxes.xyxy[real], self.sizes_wh[image].astype(np.float64))
        lines = [
            f"{label} {cx:.8f} {cy:.8f} {w:.8f} {h:.8f}\n"
            for label, (cx, cy, w, h) in zip(self.boxes.label[real].tolist(), shares.tolist(), strict=True)
        ]
        ends = np.searchsorted(image, np.arange(len(self.file_names) + 1)).tolist()
        for row, name in enumerate(self.file_names):
            target = f"{folder}/{name.rpartition('.')[0]}.txt"
            with open(target, "w", encoding="ascii") as file:  # noqa: PTH123 -- 100,000 times
                file.write("".join(lines[ends[row] : ends[row + 1]]))
            if row % 1000 == 999:
                told(row + 1, len(self.file_names))

    def write_coco(self, path: Path, first_ids: tuple[int, int]) -> None:
        """COCO's json, a picture or a box a line; `source` is the picture's name in the source."""
        path.parent.mkdir(parents=True, exist_ok=True)
        categories = [
            {"id": index + CATEGORY_OFFSET, "name": name, "supercategory": ""}
            for index, name in enumerate(self.classes)
        ]
        with path.open("w", encoding="utf-8") as file:
            file.write('{"info": {}, "licenses": [],\n"categories": ')
            file.write(_compact(categories))
            file.write(',\n"images": [')
            _write_rows(file, self._image_rows(first_ids[0]))
            file.write('],\n"annotations": [')
            _write_rows(file, self._annotation_rows(first_ids))
            file.write("]}\n")

    def _image_rows(self, first: int) -> Iterator[str]:
        rows = zip(self.file_names, self.names, self.sizes_wh.tolist(), strict=True)
        for number, (file_name, source, (width, height)) in enumerate(rows, start=first):
            yield (
                f'{{"id": {number}, "file_name": {_compact(file_name)}, "width": {width}, '
                f'"height": {height}, "source": {_compact(source)}}}'
            )

    def _annotation_rows(self, first_ids: tuple[int, int]) -> Iterator[str]:
        bbox_xywh = np.round(xyxy_to_xywh(self.boxes.xyxy), _PIXEL_DECIMALS)
        rows = zip(
            (self.image + first_ids[0]).tolist(),
            (self.boxes.label + CATEGORY_OFFSET).tolist(),
            bbox_xywh.tolist(),
            (bbox_xywh[:, 2] * bbox_xywh[:, 3]).tolist(),
            self.boxes.crowd.tolist(),
            strict=True,
        )
        for number, (image, category, bbox, area, crowd) in enumerate(rows, start=first_ids[1]):
            yield (
                f'{{"id": {number}, "image_id": {image}, "category_id": {category}, '
                f'"bbox": {bbox}, "area": {area:.4f}, "iscrowd": {int(crowd)}}}'
            )


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write_rows(file: TextIO, rows: Iterable[str]) -> None:
    separator = "\n"
    for row in rows:
        file.write(separator)
        file.write(row)
        separator = ",\n"


def _write_data_yaml(path: Path, classes: Sequence[str]) -> None:
    """Without `path`, so that ultralytics starts from the file's own folder, wherever it is moved."""
    entry: dict[str, Any] = {
        **{split: f"images/{split}" for split in SPLITS},
        "nc": len(classes),
        "names": dict(enumerate(classes)),
    }
    files.write_text(path, yaml.safe_dump(entry, sort_keys=False, allow_unicode=True))


def _write_repairs(path: Path, findings: Sequence[Finding]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("kind", "picture", "record", "detail"))
    rows.writerows((found.kind, found.picture, found.record, found.detail) for found in findings)
    files.write_text(path, text.getvalue())
