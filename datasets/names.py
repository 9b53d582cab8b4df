"""Image names: which are valid in a source, how a layout names them, which form a group."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

LINKED_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".mpo"})
"""Suffixes that every framework recognises as images (ultralytics lists a folder by them)."""

_STRUCTURE = frozenset(
    {"images", "jpegimages", "train", "training", "val", "valid", "validation", "test", "testing"}
)
"""Folder names that don't distinguish images: left out of a layout's file names."""

_LONGEST = 120
"""Characters of a stem; file systems allow 255 bytes, and suffixes and prefixes are added."""


_LONGEST_PATH = 4096
"""Bytes; Linux' PATH_MAX."""


def relative_name(file_name: str, *, absolute: bool = False) -> str:
    """A relative posix path from an annotation file's file name; backslashes become slashes.

    Unicode is not normalised: see `nfc`.
    Raises ValueError with the reason if the name is empty, leads out of its folder, or is absolute and
    `absolute` does not allow that.
    """
    name = file_name.replace("\\", "/")
    if not is_unicode(name):
        raise ValueError("is not valid Unicode: it contains half of a surrogate pair")
    if not name.strip() or "\0" in name:
        raise ValueError("is not a file name")
    parts = PurePosixPath(name).parts
    if is_absolute(name):
        if not absolute:
            raise ValueError("is an absolute path")
        name = name if name.startswith("/") else f"/{name}"
        parts = ("/" + "/".join(PurePosixPath(name).parts[1:]),)
    if ".." in PurePosixPath(name).parts:
        raise ValueError("leads out of the dataset's folder")
    if len(name.encode()) > _LONGEST_PATH:
        raise ValueError("is too long for a path")
    return "/".join(parts)


def is_absolute(name: str) -> bool:
    """Whether a name is a path from a root, of Unix or of a Windows drive."""
    return name.startswith("/") or re.match(r"[A-Za-z]:", name) is not None


def nfc(name: str) -> str:
    """The name in Unicode's NFC: the same on every system, whichever form its file system uses."""
    return unicodedata.normalize("NFC", name)


def is_unicode(name: str) -> bool:
    """Whether it can be encoded as UTF-8; a lone surrogate, from a JSON or YAML escape, can't."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def layout_names(names: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    """A flat, safe file name for each image; stems are unique, ignoring case.

    Depends on the set of names, not on their order: if two names give the same stem, both get a part of
    their own name's hash.
    """
    stems = [_stem(name) for name in names]
    taken = Counter(stem.lower() for stem in stems)
    return [
        (stem if taken[stem.lower()] == 1 else f"{stem}-{_digest(name)}") + suffix
        for stem, name, suffix in zip(stems, names, suffixes, strict=True)
    ]


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    parts = [part for part in path.parts[:-1] if part.lower() not in _STRUCTURE]
    plain = "__".join([*parts, path.stem])
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).lstrip(".-") or "picture"
    # Replacing characters can make two names equal, so such names always carry a hash.
    if safe == plain and len(safe) <= _LONGEST:
        return safe
    return f"{safe[:_LONGEST]}-{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
