"""Which classes a YOLO dataset has and where its images are: a data.yaml, or a list of class names."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from bench.datasets import regular_files, yaml_files
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

_CLASS_LISTS = ("classes.txt", "obj.names", "labels/classes.txt", "images/classes.txt", "data/obj.names")
"""A class name per line, as Label Studio, LabelImg and CVAT (YOLO 1.1) export it."""


@dataclass(frozen=True)
class DataYaml:
    """A parsed data.yaml with its paths resolved."""

    path: Path
    sha256: str
    root: Path
    classes: tuple[str, ...]
    places: Mapping[SplitName | None, list[Path]]  # folders, or txt files that list images; None: no split
    declared: Mapping[SplitName, str]  # split -> its value in the file
    absent: dict[str, str] = field(default_factory=dict)  # split -> its value, where that path does not exist
    licences: list[str] = field(default_factory=list)
    keypoints: tuple[int, int] | None = None  # `kpt_shape` of pose labels: points, numbers of each
    repairs: tuple[Repair, ...] = ()

    def images(self, split: SplitName | None, repairs: list[Repair]) -> list[str]:
        """Absolute paths of a split's images; an image that a list names and that is missing is a Repair."""
        found: list[str] = []
        for place in self.places.get(split, []):
            if place.is_dir():
                found += [f"{place}/{name}" for name in folders.images(place)]
            else:
                found += _listed(place, self.root, repairs)
        return found


def find(root: Path) -> Path:
    """The folder's data.yaml, or its list of class names. Raises DataError if there is none, or several."""
    for name in ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml"):
        if (root / name).is_file():
            return root / name
    others = [path for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]) if _has_names(path)]
    if len(others) == 1:
        return others[0]
    lists = [root / name for name in _CLASS_LISTS if (root / name).is_file()]
    if lists and not others:
        return lists[0]
    raise DataError(
        "has no data.yaml",
        file=root,
        value=[path.name for path in others] or None,
        hint="set `data.annotations` to it, or write one: names: [...], train: train/images, val: ...",
    )


def parse(path: Path, root: Path | None = None) -> DataYaml:
    """Read a data.yaml, or a list of class names for the images below `root`.

    Raises DataError for an invalid one, or if its train images don't exist.
    """
    if path.suffix not in (".yaml", ".yml"):
        return _class_list(path, root or path.parent)
    try:
        content, tree, texts = yaml_files.read(path)
    except FileNotFoundError:
        raise DataError("no such file", file=path, hint="correct `data.annotations`") from None
    if not isinstance(tree, dict) or not isinstance(texts, dict):
        raise DataError(
            "is not a data.yaml: it should contain `names` and `train`",
            file=path,
            hint="name the classes: names: [cat, dog]",
        )
    classes = _classes(tree, texts, path)
    root = _root(tree, path)
    places: dict[SplitName | None, list[Path]] = {}
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
    repairs = []
    for split in SPLITS[1:]:
        if places.get(split) == places["train"]:
            del places[split], declared[split]
            repairs.append(Repair("split_same_as_train", split, detail=f"`{split}` in {path.name}"))
    about = tree.get("roboflow")
    licence = about.get("license") if isinstance(about, dict) else tree.get("license")
    return DataYaml(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        root=root,
        classes=classes,
        places=places,
        declared=declared,
        absent=absent,
        licences=[str(licence).encode("utf-8", "replace").decode("utf-8")] if licence else [],
        keypoints=_keypoints(tree.get("kpt_shape"), path),
        repairs=tuple(repairs),
    )


def _class_list(path: Path, root: Path) -> DataYaml:
    """A class name per line; the images are below `root`, or in the lists that CVAT writes."""
    try:
        content = regular_files.read(path, regular_files.LABELS)
        names = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except FileNotFoundError:
        raise DataError("no such file", file=path, hint="correct `data.annotations`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"can't be read as a list of class names: {error}",
            file=path,
            hint="write a name per line, in UTF-8",
        ) from None
    while names and not names[-1]:
        names.pop()
    places: dict[SplitName | None, list[Path]] = {}
    for split in SPLITS:
        lists = [root / f"{key}.txt" for key in KEYS[split] if (root / f"{key}.txt").is_file()]
        if lists:
            places[split] = lists[:1]
    if list(places) in ([], ["train"]):  # one part alone is no split
        inside = [folder for folder in (root / "images", root / "obj_train_data") if folder.is_dir()]
        places = {None: places.get("train") or inside[:1] or [root]}
    return DataYaml(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        root=root,
        classes=_checked(names, path),
        places=places,
        declared={},
    )


def _classes(tree: Mapping[Any, Any], texts: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The names as they are written: to YAML, `no` would be False and 1.10 be 1.1."""
    names, written = tree.get("names"), texts.get("names")
    if isinstance(names, dict) and isinstance(written, dict):
        if set(names) != set(range(len(names))):
            raise DataError(
                "the keys of `names` should count from 0",
                file=path,
                value=list(names)[:10],
                hint="number the classes 0, 1, 2 and so on",
            )
        by_number = dict(zip(names, written.values(), strict=True))
        written = [by_number[index] for index in range(len(names))]
    if not isinstance(written, list) or not written or not all(isinstance(name, str) for name in written):
        raise DataError(
            "has no `names`: a list of class names, or number: name",
            file=path,
            value=type(names).__name__ if isinstance(names, (list, dict)) else names,
            hint="write names: [cat, dog]",
        )
    if "nc" in tree and tree["nc"] != len(written):
        raise DataError(
            f"`nc` is not the number of `names`, {len(written)}",
            file=path,
            value=tree["nc"],
            hint="correct or delete `nc`",
        )
    return _checked(written, path)


def _checked(names: list[str], path: Path) -> tuple[str, ...]:
    """The names, each of them usable and unique. Raises DataError."""
    if not names:
        raise DataError("names no class", file=path, hint="write a class name per line")
    for name in names:
        if not is_unicode(name):
            raise DataError(
                "a class name is not valid Unicode: half of a surrogate pair",
                file=path,
                value=name,
                hint="rename the class",
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            "a class is listed in `names` twice", file=path, value=sorted(twice)[0], hint="rename one of them"
        )
    return tuple(names)


def _keypoints(shape: Any, path: Path) -> tuple[int, int] | None:
    """`kpt_shape` of pose labels: the number of keypoints, and 2 (x, y) or 3 (x, y, visible) numbers each."""
    if shape is None:
        return None
    if (
        isinstance(shape, list)
        and len(shape) == 2
        and all(isinstance(number, int) for number in shape)
        and shape[0] > 0
        and shape[1] in (2, 3)
    ):
        return shape[0], shape[1]
    raise DataError(
        "should be [keypoints, 2 or 3]", file=path, record="kpt_shape", value=shape, hint="as [17, 3]"
    )


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
            "should be a folder, a list of folders, or a txt",
            file=path,
            record=split,
            value=type(value).__name__,
            hint=f"write {split}: {split}/images",
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
    """The images that a txt lists: relative to it (as in ultralytics), to the root, or absolute.

    An absolute path of another machine is looked up by its last parts, as many of them as exist here.
    """
    found: list[str] = []
    lost: list[str] = []
    try:
        lines = regular_files.read(listing, regular_files.LABELS).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"can't be read as a list of pictures: {error}",
            file=listing,
            hint="write a path per line, in UTF-8",
        ) from None
    for line in lines:
        if not (name := line.strip().replace("\\", "/")):
            continue
        there = _existing(name, (listing.parent, root))
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


def _existing(name: str, bases: tuple[Path, ...]) -> str | None:
    parts = PurePosixPath(name).parts
    endings = ["/".join(parts[start:]) for start in range(1, len(parts))]
    options = [os.path.normpath(base / name) for base in bases]
    options += [f"{base}/{ending}" for ending in endings if ".." not in ending for base in bases]
    return next((option for option in options if os.path.isfile(option)), None)  # noqa: PTH113 -- 100,000 times


def _has_names(path: Path) -> bool:
    try:
        tree = yaml_files.read(path)[1]
    except (DataError, OSError):
        return False
    return isinstance(tree, dict) and "names" in tree
