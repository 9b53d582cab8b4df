"""Folders of a source: that they are there, and what lies in them."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.datasets.names import is_text
from bench.errors import DataError

IMAGE_SUFFIXES = frozenset(
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
        raise DataError("no folder is named", record="data.path", hint="say where the dataset lies")
    if path.is_dir():
        os.scandir(
            path
        ).close()  # raises where it may not be listed: globs would find nothing and not say why
        return path.resolve()
    if path.exists():
        raise DataError(
            "is a file", file=path, hint="name its folder in `data.path`, and the file in `data.annotations`"
        )
    near = next((parent for parent in path.parents if parent.is_dir()), None)
    raise DataError(
        "no such folder", file=path, hint=f"mend `data.path`; what there is of it: {near}" if near else None
    )


def below(folder: Path, root: Path) -> str:
    """What a name in `folder` begins with, seen from `root`: 'images/', or '' where it lies elsewhere."""
    if folder == root or not folder.is_relative_to(root):
        return ""
    return folder.relative_to(root).as_posix() + "/"


@contextmanager
def reading(root: Path | None) -> Iterator[None]:
    """Turn what the system says against reading a source, a folder that is closed, say, into a DataError."""
    try:
        yield
    except OSError as error:
        closed = isinstance(error, PermissionError)
        raise DataError(
            f"can't be read: {error.strerror or error}",
            file=str(error.filename or root),
            hint="let yourself read it (chmod), or name other data in `data.path`" if closed else None,
        ) from error


def found(base: Path, names: Sequence[str]) -> list[str | None]:
    """How each file is spelt on the disk, None where it isn't there.

    An accented letter has two spellings in Unicode, and a file may have been copied from a system that
    rewrites them: a name is looked up as it is, then composed (NFC), then decomposed (NFD).
    Listing a folder once is much faster than asking for each file.
    """
    listed: dict[str, frozenset[str]] = {}
    spelt: list[str | None] = []
    for name in names:
        for option in dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]):
            folder, _, file = option.rpartition("/")
            if folder not in listed:
                listed[folder] = _files(base / folder)
            if file in listed[folder]:
                spelt.append(option)
                break
        else:
            spelt.append(None)
    return spelt


def images(folder: Path) -> list[str]:
    """Names of all pictures in and below `folder`, relative, posix, sorted.

    Raises DataError for a name that no json can hold.
    """
    found: list[str] = []
    walked: set[str] = set()
    for place, inner, files in os.walk(folder, onerror=_refuse, followlinks=True):
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
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 -- 100,000 times
        ]
    odd = next((name for name in found if not is_text(name)), None)
    if odd is not None:
        raise DataError("a picture's name is no UTF-8 text", file=folder, value=odd, hint="rename it")
    return sorted(found)


def _files(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except PermissionError:
        raise
    except OSError:  # not there, no folder, or a name that no file system has
        return frozenset()


def _refuse(error: OSError) -> None:
    """A folder that can't be listed would take its pictures away unseen."""
    raise error
