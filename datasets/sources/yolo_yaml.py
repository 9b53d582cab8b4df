"""data.yaml: the classes, and where each split's images are."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.datasets.names import is_unicode
from bench.datasets.repairs import Repair
from bench.datasets.sources import folders
from bench.errors import DataError
from bench.layout import SPLITS, SplitName

KEYS: Mapping[SplitName, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
}
"""Names of a split, as keys of data.yaml and as folders."""


@dataclass(frozen=True)
class DataYaml:
    """A parsed data.yaml with its paths resolved."""

    path: Path
    sha256: str
    root: Path
    classes: tuple[str, ...]
    places: Mapping[SplitName, list[Path]]  # folders, or txt files that list images
    declared: Mapping[SplitName, str]  # split -> its value in the file
    absent: dict[str, str]  # split -> its value, where that path does not exist
    licences: list[str]

    def images(self, split: SplitName, repairs: list[Repair]) -> list[str]:
        """Absolute paths of a split's images; an image that a list names and that is missing is a Repair."""
        found: list[str] = []
        for place in self.places.get(split, []):
            if place.is_dir():
                found += [f"{place}/{name}" for name in folders.images(place)]
            else:
                found += _listed(place, self.root, repairs)
        return found


def find(root: Path) -> Path:
    """The folder's data.yaml. Raises DataError if there is none, or several under other names."""
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
        hint="set `data.annotations` to it, or write one: names: [...], train: train/images, val: ...",
    )


def parse(path: Path) -> DataYaml:
    """Read one. Raises DataError for an invalid data.yaml, or if its train images don't exist."""
    try:
        content = path.read_bytes()
        tree = yaml.safe_load(content)
    except FileNotFoundError:
        raise DataError("no such file", file=path, hint="correct `data.annotations`") from None
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise DataError(f"can't be read as YAML: {error}", file=path) from None
    if not isinstance(tree, dict):
        raise DataError("is not a data.yaml: it should contain `names` and `train`", file=path)
    classes = _classes(tree, path)
    root = _root(tree, path)
    places: dict[SplitName, list[Path]] = {}
    absent: dict[str, str] = {}
    declared = {split: str(value) for split in SPLITS if (value := _value(tree, split)) is not None}
    for split in SPLITS:
        for given in _paths(tree, split, path):
            place = _resolve(given, root, path)
            if place is None:
                absent[split] = given
            else:
                places.setdefault(split, []).append(place)
    if "train" in absent or "train" not in places:
        raise DataError(
            "the path of its train pictures does not exist",
            file=path,
            record="train",
            value=absent.get("train"),
            hint="`train` is a folder, a list of folders, or a txt with a picture a line",
        )
    about = tree.get("roboflow")
    licence = about.get("license") if isinstance(about, dict) else tree.get("license")
    licences = [str(licence).encode("utf-8", "replace").decode("utf-8")] if licence else []
    return DataYaml(
        path, hashlib.sha256(content).hexdigest(), root, classes, places, declared, absent, licences
    )


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
        if not is_unicode(name):
            raise DataError(
                "a class name is not valid Unicode: half of a surrogate pair", file=path, value=name
            )
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise DataError("a class is listed in `names` twice", file=path, value=twice[0])
    if "nc" in tree and tree["nc"] != len(classes):
        raise DataError(f"`nc` is not the number of `names`, {len(classes)}", file=path, value=tree["nc"])
    return classes


def _root(tree: Mapping[Any, Any], path: Path) -> Path:
    """The folder that paths are relative to: `path` if it exists, else the file's own folder."""
    here = path.resolve().parent
    given = tree.get("path")
    if isinstance(given, str) and (here / given).is_dir():
        return (here / given).resolve()
    return here


def _paths(tree: Mapping[Any, Any], split: SplitName, path: Path) -> list[str]:
    """The split's paths; for a split that the file leaves out, the usual folder if it exists."""
    value = _value(tree, split)
    if value is None:
        usual = [form.format(key) for key in KEYS[split] for form in ("{}/images", "images/{}")]
        return [place for place in usual if (path.parent / place).is_dir()][:1]
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
        raise DataError(
            "should be a folder, a list of folders, or a txt", file=path, record=split, value=value
        )
    return items


def _value(tree: Mapping[Any, Any], split: SplitName) -> Any:
    """The value of the split's key, or None."""
    return next((tree[key] for key in KEYS[split] if tree.get(key)), None)


def _resolve(given: str, root: Path, path: Path) -> Path | None:
    """The existing folder or list that a split's path means, or None.

    Roboflow writes `../train/images` for a folder next to the file, and `val` for `valid`.
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


def _listed(listing: Path, root: Path, repairs: list[Repair]) -> list[str]:
    """The images that a txt lists: relative to it (as in ultralytics), to the root, or absolute."""
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
            f"none of the {len(lost)} pictures that it lists exists",
            file=listing,
            value=lost[:3],
            hint=f"its lines are relative to {listing.parent}"
            + (f" or {root}" if root != listing.parent else ""),
        )
    repairs += [Repair("no_file", name, detail=f"listed in {listing.name}") for name in lost]
    return found


def _has_names(path: Path) -> bool:
    try:
        tree = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError, OSError):
        return False
    return isinstance(tree, dict) and "names" in tree
