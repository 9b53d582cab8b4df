"""Folders of a source: that they are there, and what lies in them."""

import os
from collections.abc import Sequence
from pathlib import Path

from bench.errors import DataError

PICTURE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".webp",
        ".tif",
        ".tiff",
        ".mpo",
        ".gif",
        ".ppm",
        ".pgm",
    }
)
"""Files that are taken for pictures when a folder is listed."""


def existing(path: Path | None) -> Path:
    """`path`, made absolute. Raises DataError where it is no folder."""
    if path is None:
        raise DataError("no folder is named", record="data.path", mend="say where the dataset lies")
    if path.is_dir():
        return path.resolve()
    if path.exists():
        raise DataError(
            "is a file", file=path, mend="name its folder in `data.path`, and the file in `data.annotations`"
        )
    near = next((parent for parent in path.parents if parent.is_dir()), None)
    raise DataError(
        "no such folder", file=path, mend=f"mend `data.path`; what there is of it: {near}" if near else None
    )


def below(folder: Path, root: Path) -> str:
    """What a name in `folder` begins with, seen from `root`: 'images/', or '' where it lies elsewhere."""
    if folder == root or not folder.is_relative_to(root):
        return ""
    return folder.relative_to(root).as_posix() + "/"


def present(base: Path, names: Sequence[str]) -> list[bool]:
    """Which of the files are there; listing a folder once is much faster than asking for each file."""
    listed: dict[str, frozenset[str]] = {}
    found = []
    for name in names:
        folder, _, file = name.rpartition("/")
        if folder not in listed:
            listed[folder] = _files(base / folder)
        found.append(file in listed[folder])
    return found


def pictures(folder: Path) -> list[str]:
    """Names of all pictures in and below `folder`, relative, posix, sorted."""
    found: list[str] = []
    walked: set[str] = set()
    for place, inner, files in os.walk(folder, followlinks=True):
        true_place = os.path.realpath(place)
        if true_place in walked:  # a link that leads back up
            inner.clear()
            continue
        walked.add(true_place)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        prefix = below(Path(place), folder)
        found += [
            prefix + name
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES  # noqa: PTH122 -- 100,000 times
        ]
    return sorted(found)


def _files(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
