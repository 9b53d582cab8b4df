"""Folders of a source: check that they exist, and list their images."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.datasets.names import is_unicode
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
        ".avif",
        ".jp2",
        ".j2k",
        ".tga",
        ".ppm",
        ".pgm",
    }
)
"""Files that count as images when a folder is listed."""


def existing(path: Path | None) -> Path:
    """`path`, made absolute. Raises DataError if it is not a folder."""
    if path is None:
        raise DataError("is not set", record="data.path", hint="set it to the dataset's folder")
    if path.is_dir():
        os.scandir(path).close()  # raises if it may not be listed; globs would silently find nothing
        return path.resolve()
    if path.exists():
        raise DataError(
            "is a file", file=path, hint="set `data.path` to its folder and `data.annotations` to the file"
        )
    near = next((parent for parent in path.parents if parent.is_dir()), None)
    raise DataError(
        "no such folder",
        file=path,
        hint=f"correct `data.path`; the nearest existing folder is {near}" if near else None,
    )


def below(folder: Path, root: Path) -> str:
    """The prefix of `folder`'s names relative to `root`: 'images/', or '' if it is not below `root`."""
    if folder == root or not folder.is_relative_to(root):
        return ""
    return folder.relative_to(root).as_posix() + "/"


@contextmanager
def reading(root: Path | None) -> Iterator[None]:
    """Convert OSErrors while a source is read, such as denied permission, to DataErrors."""
    try:
        yield
    except OSError as error:
        closed = isinstance(error, PermissionError)
        raise DataError(
            f"can't be read: {error.strerror or error}",
            file=str(error.filename or root),
            hint="give yourself permission to read it (chmod), or set another `data.path`"
            if closed
            else None,
        ) from error


def found(base: Path, names: Sequence[str]) -> list[str | None]:
    """The name of each file as it is on disk, None if it does not exist.

    Names are looked up as they are, then in NFC, then in NFD, because some file systems change the form of
    accented letters. Each folder is listed once, which is much faster than a lookup per file.
    """
    listed: dict[str, frozenset[str]] = {}
    spelt: list[str | None] = []
    for name in names:
        for option in dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]):
            folder, _, file = option.rpartition("/")
            if folder not in listed:
                listed[folder] = files(base / folder)
            if file in listed[folder]:
                spelt.append(option)
                break
        else:
            spelt.append(None)
    return spelt


def images(folder: Path) -> list[str]:
    """Names of all images in and below `folder`, relative, posix, sorted.

    Raises DataError for a name that is not valid Unicode.
    """
    found: list[str] = []
    walked: set[str] = set()
    for place, inner, names in os.walk(folder, onerror=_refuse, followlinks=True):
        true_place = os.path.realpath(place)
        if true_place in walked:  # a link to a parent folder
            inner.clear()
            continue
        walked.add(true_place)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        prefix = below(Path(place), folder)
        found += [prefix + name for name in names if is_image(name)]
    odd = next((name for name in found if not is_unicode(name)), None)
    if odd is not None:
        raise DataError("a picture's name is not valid UTF-8", file=folder, value=odd, hint="rename it")
    return sorted(found)


def files(folder: Path) -> frozenset[str]:
    """Names of the files in `folder`; none if it does not exist."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if _is_file(entry))
    except PermissionError:
        raise
    except OSError:  # missing, not a folder, or an impossible name
        return frozenset()


def is_image(name: str) -> bool:
    """Whether a file counts as an image by its suffix."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 -- 100,000 times


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself must not hide the files beside it
        return False


def _refuse(error: OSError) -> None:
    """os.walk would skip a folder that can't be listed without a message."""
    raise error
