"""Propose a commented bench.yaml for a folder of data."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from bench import image_groups
from bench.config import LONGEST_NAME
from bench.data_config import DataConfig
from bench.datasets import formats, regular_files, splits
from bench.datasets.dataset import NO_SPLIT, Dataset, Source
from bench.datasets.formats import Format
from bench.datasets.image_files import LARGEST_FILE
from bench.datasets.reading import read_sound
from bench.datasets.repairs import KINDS
from bench.datasets.sources import folders
from bench.errors import DataError
from bench.layout import SPLITS

_FEW = 3
"""Images that a class needs to reach train, val and test."""

_PROBED = 50
"""Images whose size is read to propose the input size."""

_USUAL_INPUT = 640
_STRIDE = 32
"""Total stride of the usual detectors: input sizes are multiples of it."""


def propose_config(folder: Path, base: Path | None = None) -> str:
    """The text of a bench.yaml for the data in `folder`, to be saved in the folder `base`.

    The annotations are read and checked; of the images only a few sizes are read.
    Raises DataError if the format is unknown or the data is malformed.
    """
    with folders.reading(folder):
        root = folders.existing(folder)
        detected = formats.detect(root)
        config = DataConfig.model_validate({"source": detected.source, "path": root, **detected.data})
        source = read_sound(config, root)
    splits.check_declared(source.dataset.images.splits, source.declared)
    if not len(source.dataset.images) or not len(source.dataset.boxes):
        raise DataError("has no boxes" if len(source.dataset.images) else "has no pictures", file=root)
    path = str(root)
    if base is not None and root.is_relative_to(base.resolve()):
        path = root.relative_to(base.resolve()).as_posix()
    lines = [
        *_found(detected, source),
        "",
        *_data_lines(detected, root.resolve().name, path, source.dataset),
        "",
        *_rest(source),
    ]
    return "\n".join(lines) + "\n"


def _found(detected: Format, source: Source) -> Iterator[str]:
    """What was found, as comments."""
    dataset = source.dataset
    boxes_of = np.bincount(dataset.boxes.label, minlength=len(dataset.classes))
    has_box = np.unique(dataset.boxes.image)
    yield f"# Written by `bench init` from the data ({_plain(detected.reason)})."
    yield (
        f"# Found: {len(dataset.images):,} pictures (background: {len(dataset.images) - len(has_box):,}), "
        f"{len(dataset.boxes):,} boxes, {len(dataset.classes)} classes."
    )
    published = Counter(dataset.images.splits.tolist())
    if set(published) != {NO_SPLIT}:
        sizes = [f"{name} {published[number]:,}" for number, name in enumerate(SPLITS) if published[number]]
        yield f"# Published splits: {', '.join(sizes)} pictures."
    for kind, count in Counter(repair.kind for repair in source.repairs).items():
        yield f"# Will be repaired: {count:,} {KINDS[kind]}."
    images_of = (dataset.class_counts() > 0).sum(axis=0)
    yield "# Boxes and pictures by class:"
    for label in np.argsort(-boxes_of, kind="stable").tolist():
        few = "  (too few pictures to reach every split)" if images_of[label] < _FEW else ""
        yield f"#   {boxes_of[label]:>8,} {images_of[label]:>8,}  {_plain(dataset.classes[label])}{few}"


def _data_lines(detected: Format, name: str, path: str, dataset: Dataset) -> Iterator[str]:
    yield f"name: {json.dumps(_slug(name))}"
    yield ""
    yield "data:"
    yield f"  source: {detected.source}"
    yield f"  path: {json.dumps(path)}"
    for key, value in detected.data.items():
        comment = "  # a shipped class table; leave it out to keep all classes" if key == "classes" else ""
        yield f"  {key}: {json.dumps(value)}{comment}"
    yield "  split:"
    yield from _split_lines(dataset)
    yield "  # limit: 300  # for a quick trial: this many pictures in all, a stratified share of each split"


def _split_lines(dataset: Dataset) -> Iterator[str]:
    """The published split if there is one, with a warning if groups of images are in several splits."""
    published = dataset.images.splits
    groups = image_groups.groups(dataset.images.names.tolist(), "roboflow")
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
        share = f"{shared:,} of {len(seen):,}"
        yield f"    # {share} stems of file names (before `.rf.`) are in several splits. If these"
        yield "    # are copies of one picture (`bench data check` compares them), test results are too"
        yield "    # optimistic: kind: grouped keeps each stem in one split."
    yield "    kind: published"
    missing = [name for number, name in enumerate(SPLITS) if not (published == number).any()]
    for name in missing:
        yield f"    {name}: 0.15  # not published: this share of train is used, stratified"


def _rest(source: Source) -> Iterator[str]:
    """Models and training settings."""
    yield "models:  # a family, or family:variant; weights: pretrained, none, or a path"
    yield "  - detr"
    yield "  - yolo"
    yield "  - frcnn"
    yield ""
    yield "train:"
    yield "  epochs: 50"
    yield "  batch_size: 8"
    yield f"  image_size: {_input_size(source.dataset)}  # long side of the networks' input, pixels"
    yield "  patience: 15  # stop after this many validations without a better val mAP"
    yield "  # amp: true  # mixed precision on a GPU"
    yield "  # workers: 4  # processes that load images"
    yield ""
    yield "seeds: [0]  # several seeds show the spread: [0, 1, 2]"


def _input_size(dataset: Dataset) -> int:
    """The usual input size, or less if the images are smaller."""
    paths = dataset.images.paths[:: max(1, len(dataset.images) // _PROBED)].tolist()
    sides = []
    for path in paths:
        try:
            with Image.open(io.BytesIO(regular_files.read(path, LARGEST_FILE))) as image:
                sides.append(max(image.size))
        except Exception:  # PIL's parsers raise many exception types on broken files
            continue
    if not sides:
        return _USUAL_INPUT
    return int(min(_USUAL_INPUT, max(_STRIDE, -(-int(median(sides)) // _STRIDE) * _STRIDE)))


def _slug(name: str) -> str:
    """A name for run folders, from the name of the data's folder."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
    return kept.strip("-")[:LONGEST_NAME] or "bench"


def _plain(text: str) -> str:
    """Without line breaks and characters that YAML refuses."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
