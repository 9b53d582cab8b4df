"""Pascal VOC: one xml per image, splits in ImageSets/Main or in folders."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from bench.data_config import DataConfig
from bench.datasets import regular_files
from bench.datasets.dataset import NO_SPLIT, BoxTable, Dataset, Source
from bench.datasets.names import nfc, relative_name
from bench.datasets.problems import Problems
from bench.datasets.repairs import Repair
from bench.datasets.sources import folders
from bench.datasets.sources.rows import Rows
from bench.errors import DataError
from bench.layout import SPLITS

_SPLIT_FOLDERS = {
    "train": ("train",),
    "val": ("valid", "val", "validation"),
    "test": ("test",),
}
_XML_FOLDERS = ("Annotations", "annotations", "labels", "")
_IMAGE_FOLDERS = ("JPEGImages", "images", "Images", "")

_ONE_BASED = "The VOC20"
"""What `database` of the challenge's own files begins with: their pixels count from 1, both ends included."""


@dataclass
class _Objects:
    """One xml's content."""

    file_name: str
    size_wh: tuple[int, int]
    boxes: list[tuple[str, tuple[float, float, float, float], bool]] = field(default_factory=list)
    """Class, xyxy pixels, difficult."""


def find(root: Path) -> list[tuple[int, Path]]:
    """The folders that hold xml, each with its split (index into SPLITS, or NO_SPLIT)."""
    for inside in _XML_FOLDERS:
        if _has_xml(root / inside):
            return [(NO_SPLIT, root / inside)]
    return [
        (number, root / folder / inside)
        for number, split in enumerate(SPLITS)
        for folder in _SPLIT_FOLDERS[split]
        for inside in _XML_FOLDERS
        if _has_xml(root / folder / inside)
    ]


def read(config: DataConfig, workdir: Path) -> Source:
    """Read all xml of `config.path`; `config.voc` says what becomes of difficult objects.

    Without ImageSets/Main and without a folder for each split, no split is published.
    Raises DataError if there is no xml.
    """
    root = folders.existing(config.path)
    places = find(root)
    if not places:
        raise DataError(
            "holds no Pascal VOC xml", file=root, hint="put the xml files into its folder `Annotations`"
        )
    problems, repairs, digest = Problems(), list[Repair](), hashlib.sha256()
    split_of = _image_sets(root)
    rows = Rows(root)
    found: list[tuple[str, _Objects]] = []
    for split, place in places:
        lookup = _Lookup(root, place, config.images)
        for name in sorted(name for name in folders.files(place) if name.endswith(".xml")):
            path = place / name
            content = _content(path, problems)
            digest.update(name.encode("utf-8", "surrogatepass") + b"\0" + content + b"\0")
            parsed = _parse(content, path, config, problems) if content else None
            if parsed is None:
                continue
            image = lookup.find(parsed.file_name, path.stem)
            stem = path.stem
            number = split if split != NO_SPLIT else split_of.get(stem, NO_SPLIT)
            if image is None:
                lost = f"with {len(parsed.boxes)} boxes" if parsed.boxes else "without boxes"
                repairs.append(Repair("no_file", nfc(parsed.file_name or stem), detail=lost))
            if rows.add(image or f"{place}/{stem}.jpg", parsed.size_wh, number, str(path), image is not None):
                found.append((str(path), parsed))
            else:
                repairs.append(Repair("duplicate_picture", rows.name(image or stem), detail=str(path)))
        repairs += lookup.unused(rows, root)
    classes = tuple(sorted({label for _, parsed in found for label, _, _ in parsed.boxes}))
    index = {label: number for number, label in enumerate(classes)}
    boxes = [
        (row, index[label], xyxy, difficult and config.voc.difficult == "ignore", number)
        for row, (_, parsed) in enumerate(found)
        for number, (label, xyxy, difficult) in enumerate(parsed.boxes, start=1)
        if not (difficult and config.voc.difficult == "drop")
    ]
    image_column, label, xyxy, crowd, record = zip(*boxes, strict=True) if boxes else ((), (), (), (), ())
    dataset = Dataset(classes, rows.images(), BoxTable.of(image_column, label, xyxy, crowd, record))
    difficult = sum(one[2] for _, parsed in found for one in parsed.boxes)
    metadata: dict[str, Any] = {
        "format": "voc",
        "path": str(root),
        "annotations": [{"file": str(place), "sha256": digest.hexdigest()} for _, place in places],
    }
    if difficult:
        metadata["difficult"] = {"boxes": difficult, "treated_as": config.voc.difficult}
    exists = rows.exists()
    if not exists.any() and len(exists):
        problems.add(
            "none of the pictures that the annotations name exists",
            file=root,
            value=str(rows.paths[0]),
            hint="set `data.images` to the pictures' folder",
        )
    return Source(
        dataset=dataset.keep_images(exists),
        record_name="object",
        repairs=tuple(repairs),
        metadata=metadata,
        problems=problems,
        annotation_paths=rows.annotation_paths()[exists],
        missing=dataset.keep_images(~exists),
    )


def _has_xml(folder: Path) -> bool:
    return any(name.endswith(".xml") for name in folders.files(folder))


def _image_sets(root: Path) -> dict[str, int]:
    """Split of each stem by ImageSets/Main; a stem in several is kept in the one that is evaluated on."""
    split_of: dict[str, int] = {}
    for number, split in enumerate(SPLITS):
        path = root / "ImageSets" / "Main" / f"{split}.txt"
        if path.is_file():
            text = regular_files.read(path, regular_files.LABELS).decode("utf-8", "replace")
            split_of |= {line.split()[0]: number for line in text.splitlines() if line.strip()}
    return split_of


class _Lookup:
    """Finds images by what an xml says, or by the xml's own name."""

    def __init__(self, root: Path, place: Path, images: Path | None) -> None:
        bases = [root / images] if images else [
            *(place.parent / name for name in _IMAGE_FOLDERS if name), place, root,
        ]  # fmt: skip
        self._bases = list(dict.fromkeys(base for base in bases if base.is_dir()))
        self._files = {base: folders.files(base) for base in self._bases}
        self._by_stem = [
            (base, {PurePosixPath(name).stem: name for name in sorted(names) if folders.is_image(name)})
            for base, names in self._files.items()
        ]

    def find(self, file_name: str, stem: str) -> str | None:
        """The absolute path of an image, or None."""
        for base, names in self._files.items():
            if file_name in names and folders.is_image(file_name):
                return f"{base}/{file_name}"
        return next((f"{base}/{names[stem]}" for base, names in self._by_stem if stem in names), None)

    def unused(self, rows: Rows, root: Path) -> Iterator[Repair]:
        """Images beside used ones that no xml names."""
        used = set(rows.paths)
        for base, names in self._by_stem:
            paths = [f"{base}/{name}" for name in names.values()]
            if used.intersection(paths):
                yield from (Repair("not_listed", rows.name(path)) for path in paths if path not in used)


def _content(path: Path, problems: Problems) -> bytes:
    try:
        return regular_files.read(path, regular_files.LABELS)
    except OSError as error:
        problems.add(f"can't be read: {error.strerror or error}", file=path, hint="make it a readable file")
        return b""


def _parse(content: bytes, path: Path, config: DataConfig, problems: Problems) -> _Objects | None:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        problems.add("declares a document type, which annotations never do", file=path, hint="delete it")
        return None
    try:
        tree = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        problems.add("is not xml", file=path, value=str(error)[:200], hint="export it again")
        return None
    if tree.tag != "annotation":
        problems.add("is not Pascal VOC: its root is not `annotation`", file=path, value=tree.tag[:80],
                     hint="move it elsewhere")  # fmt: skip
        return None
    one_based = config.voc.one_based
    if one_based is None:
        one_based = (tree.findtext("source/database") or "").strip().startswith(_ONE_BASED)
    width, height = _number(tree.findtext("size/width")), _number(tree.findtext("size/height"))
    stated = width is not None and height is not None and min(width, height) >= 1
    parsed = _Objects(_base_name(tree), (int(width or 0), int(height or 0)) if stated else (0, 0))
    for number, entry in enumerate(tree.iter("object"), start=1):
        record = f"object {number}"
        label = (entry.findtext("name") or "").strip()
        sides = [_number(entry.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
        if not label:
            problems.add("has no name", file=path, record=record, hint="name its class")
        elif None in sides:
            problems.add(
                "bndbox should have xmin, ymin, xmax and ymax: 4 finite numbers",
                file=path,
                record=record,
                value=[entry.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")],
                hint="correct or delete the object",
            )
        else:
            left, top, right, bottom = (float(side or 0) for side in sides)
            shift = 1.0 if one_based else 0.0
            difficult = (entry.findtext("difficult") or "0").strip() == "1"
            parsed.boxes.append((label, (left - shift, top - shift, right, bottom), difficult))
    return parsed


def _base_name(tree: ElementTree.Element) -> str:
    """`filename` without folders: tools write what was true on their machine. '' where it is none."""
    try:
        name = relative_name((tree.findtext("filename") or "").strip(), absolute=True)
    except ValueError:
        return ""
    return name.rpartition("/")[2]


def _number(text: str | None) -> float | None:
    try:
        value = float((text or "").strip())
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e12 else None
