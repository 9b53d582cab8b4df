"""Names of pictures: what a source may call one, what a layout calls it, what belongs together."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

LINKED_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".mpo"})
"""Suffixes that every framework takes for a picture (ultralytics lists a folder by them)."""

_STRUCTURE = frozenset({"images", "train", "training", "val", "valid", "validation", "test", "testing"})
"""Folders that say nothing about a picture: they are left out of its name in a layout."""

_LONGEST = 120
"""Characters of a stem; file systems take 255 bytes a name, and suffixes and prefixes come on top."""


_LONGEST_PATH = 4096
"""Bytes; Linux' PATH_MAX."""


def clean(file_name: str) -> str:
    """A relative posix name from what an annotation file says; Windows' separators are turned.

    The name's letters are left as they are spelt: `composed` gives the one spelling that names it here.
    Raises ValueError with the reason where the name is empty, absolute or climbs out of its folder.
    """
    name = file_name.replace("\\", "/")
    if not is_text(name):
        raise ValueError("is no Unicode text: it holds half of a surrogate pair")
    if not name.strip() or "\0" in name:
        raise ValueError("is no file name")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise ValueError("is an absolute path")
    if ".." in parts:
        raise ValueError("climbs out of the dataset's folder")
    if len(name.encode()) > _LONGEST_PATH:
        raise ValueError("is longer than any file's")
    return "/".join(parts)


def composed(name: str) -> str:
    """In Unicode's NFC: the same name on every system, however a file's accents are spelt there."""
    return unicodedata.normalize("NFC", name)


def is_text(name: str) -> bool:
    """Whether it can be written as UTF-8; a lone surrogate, from an escape in json or YAML, can't."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def layout_names(names: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    """A flat, safe file name for each picture; the stems are unique too, whatever the case of letters.

    Depends on the set of names alone, not on their order: where two would get the same stem, both get a
    piece of their own name's hash.
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
    # Other names may be equal once their strange characters are gone, so those always carry a hash.
    if safe == plain and len(safe) <= _LONGEST:
        return safe
    return f"{safe[:_LONGEST]}-{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def grouper(rule: str) -> "re.Pattern[str] | None":
    """The pattern of a split's `group` rule; None where the rule is `folder`.

    Raises ValueError for a regular expression that is none or has no group.
    """
    if rule == "folder":
        return None
    if rule == "roboflow":
        return re.compile(r"^(.*?)\.rf\.[0-9A-Za-z]+(?:\.[^.]*)?$")
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if not pattern.groups:
        raise ValueError("has no group: put the part that names the group in brackets")
    return pattern


def groups(names: Sequence[str], rule: str) -> list[str]:
    """The group of each picture; one that the rule does not fit is a group of its own.

    `roboflow` and regular expressions look at the file's name without its folders, so that a stem in train
    and the same stem in test are one group. Raises ValueError for a rule that is none.
    """
    pattern = grouper(rule)
    if pattern is None:
        return [str(PurePosixPath(name).parent) for name in names]
    found = (pattern.search(name.rsplit("/", 1)[-1]) for name in names)
    return [
        match.group(1) if match and match.group(1) is not None else name
        for match, name in zip(found, names, strict=True)
    ]
