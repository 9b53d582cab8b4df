"""What lies in a folder: the format told from its files, and a commented bench.yaml for it."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, UnidentifiedImageError

from bench import registry
from bench.config import LONGEST_NAME
from bench.data_config import DataConfig
from bench.datasets import classes, names, splits
from bench.datasets.dataset import NO_SPLIT, Dataset, Reader, Source
from bench.datasets.findings import KINDS
from bench.datasets.sources import coco, folders, yolo_yaml
from bench.errors import DataError
from bench.layout import SPLITS, SplitName

_FEW = 3
"""Pictures that a class needs to reach train, val and test."""

_PROBED = 50
"""Pictures whose size is looked at for a proposal of the input size."""

_USUAL_INPUT = 640
_STRIDE = 32
"""Detectors shrink a picture by 32: input sizes are multiples of it."""


@dataclass(frozen=True)
class Guess:
    """How the folder is to be read."""

    source: str
    data: dict[str, object]  # further keys of `data`
    reason: str


def sniff(folder: Path, base: Path | None = None) -> str:
    """The text of a bench.yaml for the data in `folder`; `base` is where that file will stand.

    The annotations are read and checked, pictures are not opened but for a few sizes.
    Raises DataError where nothing known lies there, or where the data is broken.
    """
    with folders.reading(folder):
        root = folders.existing(folder)
        guess = _guess(root)
        config = DataConfig.model_validate({"source": guess.source, "path": root, **guess.data})
        read: Reader = registry.load(registry.SOURCES[guess.source])
        source = read(config, root)
    splits.check_named(source.dataset.images.splits, source.named)
    if not len(source.dataset.images) or not len(source.dataset.boxes):
        raise DataError("holds no boxes" if len(source.dataset.images) else "holds no pictures", file=root)
    path = str(root)
    if base is not None and root.is_relative_to(base.resolve()):
        path = root.relative_to(base.resolve()).as_posix()
    lines = [
        *_found(guess, source),
        "",
        *_data_lines(guess, root.resolve().name, path, source.dataset),
        "",
        *_rest(source),
    ]
    return "\n".join(lines) + "\n"


def _guess(root: Path) -> Guess:
    """Which format, by the files that stand there. Raises DataError where none does."""
    try:
        return _yolo(yolo_yaml.parse(yolo_yaml.find(root)))
    except DataError as error:
        if any(root.glob("data.y*ml")):
            raise
        no_yaml = error
    try:
        jsons = coco.find(root)
    except DataError:
        raise _nothing(root) from no_yaml
    return _coco(root, jsons)


def _yolo(entry: yolo_yaml.Entry) -> Guess:
    fracture = classes.read_table("fracture")
    if fracture is not None and set(entry.classes) == set(fracture.targets):
        return Guess("fracture", {"classes": "fracture"}, f"{entry.path.name} with the fracture classes")
    return Guess("yolo", {}, f"{entry.path.name}: a YOLO dataset")


def _coco(root: Path, jsons: list[tuple[SplitName | None, Path]]) -> Guess:
    parts = [split for split, _ in jsons]
    relative = [path.relative_to(root).as_posix() for _, path in jsons]
    data: dict[str, object] = {"annotations": relative[0]}
    if None not in parts:
        data["annotations"] = dict(zip([str(split) for split in parts], relative, strict=True))
    reason = f"COCO json: {', '.join(relative)}"
    try:
        tree = json.loads(jsons[0][1].read_bytes())
        named = {category["name"] for category in tree["categories"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        named = set()  # the reader tells what is wrong with it
    taco = classes.read_table("taco-7")
    if taco is not None and named and named <= set(taco.targets):
        return Guess("taco", {**data, "classes": "taco-7"}, f"{reason}, with TACO's categories")
    return Guess("coco", data, reason)


def _nothing(root: Path) -> DataError:
    deeper = [
        path.parent
        for pattern in ("*/data.yaml", "*/annotations.json")
        for path in sorted(root.glob(pattern))
    ]
    if deeper:
        hint = f"name the folder below it: {deeper[0]}"
    elif any(root.glob("*/*.xml")) or any(root.glob("*.xml")):
        hint = "this looks like Pascal VOC: convert its xml to COCO json or YOLO txt first"
    elif folders.images(root):
        hint = "there are pictures but no annotations: export them as COCO json or YOLO txt"
    else:
        hint = "give the folder of a COCO or YOLO dataset"
    return DataError("holds neither a data.yaml nor a COCO json", file=root, hint=hint)


def _found(guess: Guess, source: Source) -> Iterator[str]:
    """What was seen, as comments."""
    dataset = source.dataset
    boxes_of = np.bincount(dataset.boxes.label, minlength=len(dataset.classes))
    peopled = np.unique(dataset.boxes.image)
    yield f"# Written by `bench init` after a look at the data ({_plain(guess.reason)})."
    yield (
        f"# Found: {len(dataset.images):,} pictures (background: {len(dataset.images) - len(peopled):,}), "
        f"{len(dataset.boxes):,} boxes, {len(dataset.classes)} classes."
    )
    published = Counter(dataset.images.splits.tolist())
    if set(published) != {NO_SPLIT}:
        sizes = [f"{name} {published[number]:,}" for number, name in enumerate(SPLITS) if published[number]]
        yield f"# Published splits: {', '.join(sizes)} pictures."
    for kind, count in Counter(finding.kind for finding in source.findings).items():
        yield f"# To be mended: {count:,} {KINDS[kind]}."
    images_of = (dataset.class_counts() > 0).sum(axis=0)
    yield "# Boxes and pictures by class:"
    for label in np.argsort(-boxes_of, kind="stable").tolist():
        few = "  (too few pictures to reach every split)" if images_of[label] < _FEW else ""
        yield f"#   {boxes_of[label]:>8,} {images_of[label]:>8,}  {_plain(dataset.classes[label])}{few}"


def _data_lines(guess: Guess, name: str, path: str, dataset: Dataset) -> Iterator[str]:
    yield f"name: {json.dumps(_slug(name))}"
    yield ""
    yield "data:"
    yield f"  source: {guess.source}"
    yield f"  path: {json.dumps(path)}"
    for key, value in guess.data.items():
        comment = "  # a shipped class table; leave it out to keep all classes" if key == "classes" else ""
        yield f"  {key}: {json.dumps(value)}{comment}"
    yield "  split:"
    yield from _split_lines(dataset)
    yield "  # limit: 300  # for a quick trial: a stratified share of each split, so many pictures in all"


def _split_lines(dataset: Dataset) -> Iterator[str]:
    """The published split where there is one, and a warning where it leaks."""
    published = dataset.images.splits
    groups = names.groups(dataset.images.names.tolist(), "roboflow")
    copies = len(groups) - len(set(groups))
    if (published == NO_SPLIT).all():
        kind = "grouped" if copies else "random"
        why = "copies of one picture stay in one split" if copies else "seeded, stratified over the classes"
        yield f"    kind: {kind}  # {why}"
        yield "    val: 0.15"
        yield "    test: 0.15"
        yield "    seed: 0"
        return
    seen: dict[str, set[int]] = {}
    for group, split in zip(groups, published.tolist(), strict=True):
        seen.setdefault(group, set()).add(split)
    shared = sum(len(found) > 1 for found in seen.values())
    if shared:
        yield f"    # The published split leaks: {shared:,} of {len(seen):,} source pictures (the stem before"
        yield "    # `.rf.`) have copies in several splits, so test figures come out too good."
        yield "    # Advice: kind: grouped"
    yield "    kind: published"
    missing = [name for number, name in enumerate(SPLITS) if not (published == number).any()]
    for name in missing:
        yield f"    {name}: 0.15  # none is published: this share of train, stratified, is taken for it"


def _rest(source: Source) -> Iterator[str]:
    """Models and training words."""
    yield "models:  # a family, or family:variant; weights: pretrained, none, or a path"
    yield "  - detr"
    yield "  - yolo"
    yield "  - frcnn"
    yield ""
    yield "train:"
    yield "  epochs: 50"
    yield "  batch_size: 8"
    yield f"  image_size: {_input_size(source.dataset)}  # long side of the networks' input, pixels"
    yield "  patience: 15  # stop after so many validations without a better val mAP"
    yield "  # amp: true  # mixed precision on a GPU"
    yield "  # workers: 4  # processes that load pictures"
    yield ""
    yield "seeds: [0]  # more seeds tell chance from difference: [0, 1, 2]"


def _input_size(dataset: Dataset) -> int:
    """The usual one, or less where the pictures are smaller than that."""
    paths = dataset.images.paths[:: max(1, len(dataset.images) // _PROBED)].tolist()
    sides = []
    for path in paths:
        try:
            with Image.open(path) as image:
                sides.append(max(image.size))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
            continue
    if not sides:
        return _USUAL_INPUT
    return int(min(_USUAL_INPUT, max(_STRIDE, -(-int(median(sides)) // _STRIDE) * _STRIDE)))


def _slug(name: str) -> str:
    """A name for run folders, from that of the data's folder."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
    return kept.strip("-")[:LONGEST_NAME] or "bench"


def _plain(text: str) -> str:
    """On one line, and nothing in it that YAML refuses."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
