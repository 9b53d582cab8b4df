"""Writing a prepared dataset as bench.layout describes it: whole or not at all, by however many processes."""

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from bench import files
from bench.datasets import image_files as image_files
from bench.datasets.dataset import Dataset
from bench.datasets.findings import Finding
from bench.datasets.image_files import ImageFile
from bench.datasets.names import layout_names
from bench.datasets.progress import Progress, nothing
from bench.datasets.split_files import SplitFiles
from bench.errors import DataError
from bench.layout import SPLITS, Layout, SplitName

FORMAT_VERSION = 2
"""Part of every layout's name: a change of what is written makes old layouts stale."""


@dataclass(frozen=True)
class Prepared:
    """A dataset that is ready to be written."""

    dataset: Dataset
    split: NDArray[np.int8]  # (N,) index into SPLITS; anything else is left out
    image_files: Sequence[ImageFile]  # (N,), or empty where all are known to be good as they are
    findings: Sequence[Finding]

    def file_names(self) -> list[str]:
        """The layout's name of each picture; the same ones whatever `split` leaves out."""
        names: list[str] = self.dataset.images.names.tolist()
        if self.image_files:
            return layout_names(names, [image_file.suffix for image_file in self.image_files])
        return layout_names(names, [Path(name).suffix for name in names])


def finished(root: Path) -> Layout | None:
    """The layout that stands there whole, or None."""
    try:
        return Layout.open(root)
    except (OSError, DataError):
        return None


def write(root: Path, prepared: Prepared, manifest: dict[str, Any], progress: Progress = nothing) -> Layout:
    """Write all of it beside `root`, then rename. Where another process was faster, its layout is taken.

    Raises RunError where it can't be written (a full disk, a closed folder); nothing is left behind then.
    """
    with _whole_folder(root) as folder:
        file_names = prepared.file_names()
        for split in SPLITS:
            rows = _rows_of(prepared, split)
            chosen = [file_names[row] for row in rows]
            place_images(folder / "images" / split, prepared, rows, chosen, split, progress)
            part = SplitFiles(prepared.dataset, rows, chosen)
            part.write_labels(folder / "labels" / split, partial(progress, f"{split} labels"))
            part.write_coco(folder / "annotations" / f"{split}.json", _first_ids(prepared, split))
        _write_data_yaml(folder / "data.yaml", prepared.dataset.classes)
        _write_repairs(folder / "repairs.csv", prepared.findings)
        files.write_json(folder / "manifest.json", manifest)
    return Layout.open(root)


@contextmanager
def _whole_folder(root: Path) -> Iterator[Path]:
    """A temporary neighbour that becomes `root` when the block ends well, and is gone otherwise."""
    with files.writing(root):
        root.parent.mkdir(parents=True, exist_ok=True)
        files.sweep(root.parent, ".*-*.????????")
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


def place_images(
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
        if prepared.image_files and prepared.image_files[row].copy_because:
            copies.append((paths[row], folder / name))
        else:
            _link(paths[row], f"{folder}/{name}")
        if count % 1000 == 0:
            progress(f"{split} pictures", count, len(rows))
    with image_files.quiet(), ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
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
    image_files.upright_rgb(original).save(target, format="PNG", compress_level=1)


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
    rows.writerow(("kind", "image", "record", "detail"))
    rows.writerows((found.kind, found.image, found.record, found.detail) for found in findings)
    files.write_text(path, text.getvalue())
