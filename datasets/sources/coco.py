"""COCO json: one file, or one per split, with the images in a folder."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data_config import DataConfig
from bench.datasets.dataset import NO_SPLIT, BoxTable, Dataset, Images, Source
from bench.datasets.names import nfc
from bench.datasets.problems import Problems
from bench.datasets.repairs import Repair
from bench.datasets.sources import coco_json, folders
from bench.errors import DataError
from bench.layout import SPLITS, SplitName

SPLIT_ALIASES: Mapping[SplitName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""Names under which splits are published."""


def read(config: DataConfig, workdir: Path, *, format_name: str = "coco") -> Source:
    """Read `config.annotations` (by default found under its usual names) and locate the images.

    Images that are listed but missing are returned apart, in `missing`.
    Raises DataError if a file is not COCO at all.
    """
    root = folders.existing(config.path)
    jsons = _given(config, root) or find(root)
    problems = Problems()
    parts = [coco_json.parse(path, split, problems) for split, path in jsons]
    images_dir = None if config.images is None else folders.existing(root / config.images)
    bases = [images_dir or _base(root, part) for part in parts]
    dataset, exists, repairs = _join(parts, bases, root)
    if not len(exists):
        problems.add("lists no picture", file=parts[0].path, hint="export it again, with pictures")
    elif not exists.any():
        problems.add(
            "none of the pictures that the annotations list exists",
            file=parts[0].path,
            value=str(bases[0] / parts[0].names[0]),
            hint="set `data.images` to the folder that the file names are relative to",
        )
    metadata: dict[str, Any] = {
        "format": format_name,
        "path": str(root),
        "annotations": [
            {"file": str(part.path), "split": part.split, "sha256": part.sha256, "licences": part.licences}
            for part in parts
        ],
        "images": sorted({str(base) for base in bases}),
    }
    not_kept = sum((Counter(part.not_kept) for part in parts), Counter[str]())
    if not_kept:
        metadata["not_kept"] = dict(not_kept)
    return Source(
        dataset=dataset.keep_images(exists),
        declared={part.split: str(part.path) for part in parts if part.split},
        repairs=(*repairs, *_not_listed(dataset.images.paths[exists].tolist(), repairs, bases, root)),
        metadata=metadata,
        problems=problems,
        missing=dataset.keep_images(~exists),
    )


def find(root: Path) -> list[tuple[SplitName | None, Path]]:
    """The json files under their usual names. Raises DataError if there are none, or several unusual ones."""
    for pattern in ("{}/_annotations.coco.json", "annotations/instances_{}*.json", "annotations/{}.json",
                    "annotations_{}.json", "{}.json", "{}/annotations.json"):  # fmt: skip
        found: list[tuple[SplitName | None, Path]] = []
        for split in SPLITS:
            hits = [hit for alias in SPLIT_ALIASES[split] for hit in sorted(root.glob(pattern.format(alias)))]
            found += [(split, hits[0])] if hits else []
        if found:
            return found
    for name in ("annotations.json", "_annotations.coco.json", "instances.json", "data/annotations.json"):
        if (root / name).is_file():
            return [(None, root / name)]
    rest = sorted(root.glob("*.json")) or sorted(root.glob("annotations/*.json"))
    if len(rest) == 1:
        return [(None, rest[0])]
    there = ", ".join(str(path.relative_to(root)) for path in rest[:5])
    raise DataError(
        "no annotation file has one of the usual names",
        file=root,
        hint="name it in `data.annotations`" + (f"; there are: {there}" if there else ""),
    )


def _given(config: DataConfig, root: Path) -> list[tuple[SplitName | None, Path]]:
    given = config.annotations
    if given is None:
        return []
    if isinstance(given, Path):
        return [(None, root / given)]
    if isinstance(given, tuple):
        return [(None, root / path) for path in given]
    return [(split, root / given[split]) for split in SPLITS if split in given]


def _base(root: Path, part: coco_json.CocoFile) -> Path:
    """The folder that file names are relative to: the usual folder that contains most of a sample."""
    aliases = SPLIT_ALIASES[part.split] if part.split else ()
    candidates = [root, part.path.parent, root / "images", root / "data"]
    candidates += [folder / alias for alias in aliases for folder in (root / "images", root)]
    if part.split:
        candidates += [root / "images" / part.path.stem, root / part.path.stem.removeprefix("instances_")]
    probe = part.spelt[:: max(1, len(part.spelt) // 50)]
    hits = [sum(name is not None for name in folders.found(folder, probe)) for folder in candidates]
    return candidates[int(np.argmax(hits))]


def _join(
    parts: list[coco_json.CocoFile], bases: list[Path], root: Path
) -> tuple[Dataset, NDArray[np.bool_], list[Repair]]:
    """Merge all files: classes by name, each image once. Also which images exist, (N,)."""
    repairs = [repair for part in parts for repair in part.repairs]
    classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
    index = {name: number for number, name in enumerate(classes)}
    rows = _Rows()
    # An image in two splits stays in the one that is evaluated on.
    order = sorted(range(len(parts)), key=lambda number: _priority(parts[number].split))
    tables = []
    for number in order:
        part, base = parts[number], bases[number]
        new_row = rows.add(part, base, root, repairs)
        keep = new_row[part.boxes.image] >= 0
        boxes = part.boxes.take(keep)
        renumber = np.array([index[name] for name in part.classes], dtype=np.int64)
        tables.append(
            BoxTable(new_row[boxes.image], renumber[boxes.label], boxes.xyxy, boxes.crowd, boxes.record)
        )
    boxes = BoxTable(
        *(np.concatenate([getattr(t, column) for t in tables]) for column in BoxTable.__annotations__)
    )
    images = Images.of(rows.names, rows.paths, rows.sizes, rows.splits)
    return Dataset(classes, images, boxes), np.array(rows.exists, dtype=np.bool_), repairs


def _not_listed(paths: list[str], repairs: list[Repair], bases: list[Path], root: Path) -> list[Repair]:
    """Image files in the folders of listed images that no annotation file lists."""
    ambiguous = [repair.image for repair in repairs if repair.kind == "ambiguous_picture"]
    listed = {*paths, *(f"{base}/{name}" for base in bases for name in ambiguous)}
    beside = (
        f"{folder}/{name}"
        for folder in sorted({path.rpartition("/")[0] for path in paths})
        for name in sorted(folders.files(Path(folder)))
        if folders.is_image(name)
    )
    return [Repair("not_listed", nfc(path.removeprefix(f"{root}/"))) for path in beside if path not in listed]


def _priority(split: SplitName | None) -> int:
    return -SPLITS.index(split) if split else 0


class _Rows:
    """Images collected over the files."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.paths: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.splits: list[int] = []
        self.exists: list[bool] = []
        self._row_of_path: dict[str, int] = {}
        self._taken: set[str] = set()

    def add(
        self, part: coco_json.CocoFile, base: Path, root: Path, repairs: list[Repair]
    ) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Add a file's images; returns the new row of each, -1 if it is left out."""
        new_row = np.full(len(part.names), -1, dtype=np.int64)
        split = SPLITS.index(part.split) if part.split else NO_SPLIT
        held = np.bincount(part.boxes.image, minlength=len(part.names))
        prefix = folders.below(base, root)
        found = folders.found(base, part.spelt)
        for row, name in enumerate(part.names):
            path = f"{base}/{found[row] or part.spelt[row]}"
            known = self._row_of_path.get(path)
            lost = f"with {held[row]} boxes" if held[row] else "without boxes"
            if known is None:
                new_row[row] = self._row_of_path[path] = len(self.names)
                self.names.append(self._own(prefix + name, part))
                self.paths.append(path)
                self.sizes.append(part.sizes[row])
                self.splits.append(split)
                self.exists.append(found[row] is not None)
                if found[row] is None:
                    repairs.append(Repair("no_file", name, detail=lost))
            elif self.splits[known] == split:
                new_row[row] = known
                repairs.append(Repair("duplicate_picture", name, detail="its boxes go to the first entry"))
            else:
                other = SPLITS[self.splits[known]]
                repairs.append(
                    Repair(
                        "duplicate_picture",
                        name,
                        detail=f"left out of {part.split}, {lost}: it is in {other}",
                    )
                )
        return new_row

    def _own(self, name: str, part: coco_json.CocoFile) -> str:
        """A unique name: folders outside the dataset may contain equal ones."""
        while name in self._taken:
            name = f"{part.split or 'other'}/{name}"
        self._taken.add(name)
        return name
