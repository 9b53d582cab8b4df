"""data.yaml: which classes there are, and where each split's pictures lie."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.datasets.findings import Finding
from bench.datasets.names import is_text
from bench.datasets.sources import folders
from bench.errors import DataError
from bench.layout import SPLITS, SplitName

KEYS: Mapping[SplitName, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
}
"""A split's names, as keys of data.yaml and as folders."""


@dataclass(frozen=True)
class Entry:
    """A data.yaml, its places looked up."""

    path: Path
    sha256: str
    root: Path
    classes: tuple[str, ...]
    places: Mapping[SplitName, list[Path]]  # folders, or txt files that list pictures
    named: Mapping[SplitName, str]  # what the file says of the splits that it speaks of
    absent: dict[str, str]  # what the file lists and nobody has: split -> place
    licences: list[str]

    def images(self, split: SplitName, findings: list[Finding]) -> list[str]:
        """Absolute paths of a split's pictures; what a list names and is not there is a finding."""
        found: list[str] = []
        for place in self.places.get(split, []):
            if place.is_dir():
                found += [f"{place}/{name}" for name in folders.images(place)]
            else:
                found += _listed(place, self.root, findings)
        return found


def find(root: Path) -> Path:
    """The folder's data.yaml. Raises DataError where there is none, or several others."""
    for name in ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml"):
        if (root / name).is_file():
            return root / name
    others = [path for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]) if _has_names(path)]
    if len(others) == 1:
        return others[0]
    raise DataError(
        "has no data.yaml",
        file=root,
        value=[path.name for path in others] or None,
        hint="name it in `data.annotations`, or write one: names: [...], train: train/images, val: ...",
    )


def parse(path: Path) -> Entry:
    """Read one. Raises DataError for what is no data.yaml, or whose train pictures are nowhere."""
    try:
        content = path.read_bytes()
        tree = yaml.safe_load(content)
    except FileNotFoundError:
        raise DataError("no such file", file=path, hint="mend `data.annotations`") from None
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise DataError(f"can't be read as YAML: {error}", file=path) from None
    if not isinstance(tree, dict):
        raise DataError("is no data.yaml: it should hold `names` and `train`", file=path)
    classes = _classes(tree, path)
    root = _root(tree, path)
    places: dict[SplitName, list[Path]] = {}
    absent: dict[str, str] = {}
    named = {split: str(value) for split in SPLITS if (value := _said(tree, split)) is not None}
    for split in SPLITS:
        for given in _given(tree, split, path):
            place = _place(given, root, path)
            if place is None:
                absent[split] = given
            else:
                places.setdefault(split, []).append(place)
    if "train" in absent or "train" not in places:
        raise DataError(
            "the train pictures it names are nowhere",
            file=path,
            record="train",
            value=absent.get("train"),
            hint="`train` is a folder, a list of folders, or a txt with a picture a line",
        )
    about = tree.get("roboflow")
    licence = about.get("license") if isinstance(about, dict) else tree.get("license")
    licences = [str(licence).encode("utf-8", "replace").decode("utf-8")] if licence else []
    return Entry(path, hashlib.sha256(content).hexdigest(), root, classes, places, named, absent, licences)


def _classes(tree: Mapping[Any, Any], path: Path) -> tuple[str, ...]:
    names = tree.get("names")
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DataError("the keys of `names` should count from 0", file=path, value=list(names)[:10])
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(n, (str, int, float)) for n in names):
        raise DataError("has no `names`: a list of class names, or number: name", file=path, value=names)
    classes = tuple(str(name) for name in names)
    for name in classes:
        if not is_text(name):
            raise DataError(
                "a class's name is no Unicode text: half of a surrogate pair", file=path, value=name
            )
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise DataError("a class stands in `names` twice", file=path, value=twice[0])
    if "nc" in tree and tree["nc"] != len(classes):
        raise DataError(f"`nc` is not the number of `names`, {len(classes)}", file=path, value=tree["nc"])
    return classes


def _root(tree: Mapping[Any, Any], path: Path) -> Path:
    """The folder that places are relative to: the file's own, unless its `path` names one that is there."""
    here = path.resolve().parent
    given = tree.get("path")
    if isinstance(given, str) and (here / given).is_dir():
        return (here / given).resolve()
    return here


def _given(tree: Mapping[Any, Any], split: SplitName, path: Path) -> list[str]:
    """What the file says of a split; for one that it leaves out, the usual folder, if there is one."""
    value = _said(tree, split)
    if value is None:
        usual = [form.format(key) for key in KEYS[split] for form in ("{}/images", "images/{}")]
        return [place for place in usual if (path.parent / place).is_dir()][:1]
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
        raise DataError(
            "should be a folder, a list of folders, or a txt", file=path, record=split, value=value
        )
    return items


def _said(tree: Mapping[Any, Any], split: SplitName) -> Any:
    """The value of the split's key; None where it has none."""
    return next((tree[key] for key in KEYS[split] if tree.get(key)), None)


def _place(given: str, root: Path, path: Path) -> Path | None:
    """Where a split's pictures are; None where they are nowhere.

    Roboflow writes `../train/images` for a folder that stands beside the file, and `val` for `valid`.
    """
    here = path.resolve().parent
    plain = given.replace("\\", "/")
    inside = plain
    while inside.startswith("../"):
        inside = inside[3:]
    options = [here / inside, root / inside, root / plain, here / plain]
    options += [here / inside.replace("val/", "valid/", 1), here / inside.replace("valid/", "val/", 1)]
    for option in options:
        if option.is_dir() or (option.is_file() and option.suffix == ".txt"):
            return Path(os.path.normpath(option))
    return None


def _listed(listing: Path, root: Path, findings: list[Finding]) -> list[str]:
    """The pictures that a txt names: relative to it (as ultralytics has `./`), to the root, or absolute."""
    found: list[str] = []
    lost: list[str] = []
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"can't be read as a list of pictures: {error}", file=listing) from None
    for line in lines:
        if not (name := line.strip()):
            continue
        options = [os.path.normpath(base / name) for base in (listing.parent, root)]
        there = next((option for option in options if os.path.isfile(option)), None)  # noqa: PTH113 -- 100,000 times
        if there is None:
            lost.append(name)
        else:
            found.append(there)
    if lost and not found:
        raise DataError(
            f"not one of the {len(lost)} pictures that it lists is there",
            file=listing,
            value=lost[:3],
            hint=f"its lines start from {listing.parent}" + (f" or {root}" if root != listing.parent else ""),
        )
    findings += [Finding("no_file", name, detail=f"listed in {listing.name}") for name in lost]
    return found


def _has_names(path: Path) -> bool:
    try:
        tree = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError, OSError):
        return False
    return isinstance(tree, dict) and "names" in tree
