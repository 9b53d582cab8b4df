"""Write a prepared dataset as bench.layout describes it, atomically; safe with concurrent processes."""

import csv
import io
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from bench import files
from bench.datasets.dataset import Dataset
from bench.datasets.image_files import ImageFile, quiet, write_copy
from bench.datasets.names import layout_names
from bench.datasets.progress import ProgressCallback, silent
from bench.datasets.repairs import Repair
from bench.datasets.split_files import SplitFiles
from bench.errors import DataError
from bench.layout import SPLITS, Layout, SplitName

FORMAT_VERSION = 4
"""Part of the hash in a layout's name: incremented when the written files change."""


@dataclass(frozen=True)
class Prepared:
    """A dataset ready to be written."""

    dataset: Dataset
    split: NDArray[np.int8]  # (N,) index into SPLITS; other values: the image is left out
    image_files: Sequence[ImageFile]  # (N,), or empty if the source is known_good
    repairs: Sequence[Repair]
    groups: Sequence[str] = ()  # (N,) images that belong together share one; empty: each is its own

    def file_names(self) -> list[str]:
        """The file name of each image in the layout; independent of `split`."""
        names: list[str] = self.dataset.images.names.tolist()
        if self.image_files:
            return layout_names(names, [image_file.suffix for image_file in self.image_files])
        return layout_names(names, [Path(name).suffix for name in names])


def finished(root: Path) -> Layout | None:
    """The complete layout at `root`, or None."""
    try:
        return Layout.open(root)
    except (OSError, DataError):
        return None


def write(
    root: Path,
    prepared: Prepared,
    manifest: dict[str, Any],
    progress: ProgressCallback = silent,
    *,
    copied: bool = False,
) -> Layout:
    """Write to a temporary neighbour of `root`, then rename; if another process was faster, use its layout.

    Raises RunError if it can't be written (disk full, no permission); nothing is left behind then.
    """
    files.sweep(root.parent, ".*-*.????????")
    with files.replacing_folder(root, finished=lambda: finished(root) is not None) as folder:
        file_names = prepared.file_names()
        for split in SPLITS:
            rows = rows_of(prepared, split)
            chosen = [file_names[row] for row in rows]
            place_images(folder / "images" / split, prepared, rows, chosen, split, progress, copied)
            part = _split_files(prepared, rows, file_names)
            part.write_labels(folder / "labels" / split, partial(progress, f"{split} labels"))
            part.write_coco(folder / "annotations" / f"{split}.json", _first_ids(prepared, split))
        write_data_yaml(folder / "data.yaml", prepared.dataset.classes)
        _write_repairs(folder / "repairs.csv", prepared.repairs)
        files.write_json(folder / "manifest.json", manifest)
    return Layout.open(root)


def rows_of(prepared: Prepared, split: SplitName) -> NDArray[np.intp]:
    """Rows of the split's images, sorted by name."""
    names = prepared.dataset.images.names
    rows = np.flatnonzero(prepared.split == SPLITS.index(split))
    return np.array(sorted(rows.tolist(), key=names.__getitem__), dtype=np.intp)


def write_ground_truth(path: Path, prepared: Prepared, split: SplitName) -> None:
    """The split's COCO json alone, as `write` has it."""
    part = _split_files(prepared, rows_of(prepared, split), prepared.file_names())
    part.write_coco(path, _first_ids(prepared, split))


def _split_files(prepared: Prepared, rows: NDArray[np.intp], file_names: Sequence[str]) -> SplitFiles:
    chosen = [file_names[row] for row in rows]
    return SplitFiles(prepared.dataset, rows, chosen, _shared_groups(prepared.groups, rows))


def _shared_groups(groups: Sequence[str], rows: NDArray[np.intp]) -> list[str | None]:
    """The group of each of `rows`; None for an image that is alone in it."""
    sizes = Counter(groups)
    return [groups[row] if sizes[groups[row]] > 1 else None for row in rows.tolist()] if groups else []


def _first_ids(prepared: Prepared, split: SplitName) -> tuple[int, int]:
    """Ids of the split's first image and box; ids are unique over all splits."""
    earlier = [SPLITS.index(name) for name in SPLITS[: SPLITS.index(split)]]
    before = np.isin(prepared.split, earlier)
    return int(before.sum()) + 1, int(before[prepared.dataset.boxes.image].sum()) + 1


def place_images(
    folder: Path,
    prepared: Prepared,
    rows: NDArray[np.intp],
    file_names: Sequence[str],
    split: str,
    progress: ProgressCallback,
    copied: bool = False,
) -> None:
    """Link or copy the originals, or write upright 8-bit RGB copies where `copy_because` is set."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = prepared.dataset.images.paths
    copies: list[tuple[ImageFile, str, Path]] = []
    origin = os.path.realpath(folder)
    for count, (row, name) in enumerate(zip(rows.tolist(), file_names, strict=True), start=1):
        if prepared.image_files and prepared.image_files[row].copy_because:
            copies.append((prepared.image_files[row], paths[row], folder / name))
        elif copied:
            shutil.copyfile(paths[row], f"{folder}/{name}")
        else:
            link(paths[row], f"{folder}/{name}", origin)
        if count % 1000 == 0:
            progress(f"{split} pictures", count, len(rows))
    with quiet(), ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for count, _ in enumerate(pool.map(lambda copy: write_copy(*copy), copies), start=1):
            progress(f"{split} pictures converted", count, len(copies))


def link(original: str, name: str, origin: str) -> None:
    """A link relative to `origin`, or a copy on a file system without links (exFAT, some network drives)."""
    try:
        os.symlink(os.path.relpath(original, origin), name)  # noqa: PTH211 -- 100,000 Paths cost more
    except (PermissionError, NotImplementedError):
        shutil.copyfile(original, name)


def write_data_yaml(path: Path, classes: Sequence[str]) -> None:
    """Without `path`, so that ultralytics resolves against the file's own folder, even after a move."""
    entry: dict[str, Any] = {
        **{split: f"images/{split}" for split in SPLITS},
        "nc": len(classes),
        "names": dict(enumerate(classes)),
    }
    files.write_text(path, yaml.safe_dump(entry, sort_keys=False, allow_unicode=True))


def _write_repairs(path: Path, repairs: Sequence[Repair]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("kind", "image", "record", "detail"))
    rows.writerows((found.kind, found.image, found.record, found.detail) for found in repairs)
    files.write_text(path, text.getvalue())
