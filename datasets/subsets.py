"""Layouts that train on a part of another layout's images; the test split stays the same.

    NAME-share25-seed0/    25 % of the train split, drawn with that seed; val is the same
    NAME-fold2/            train and val redistributed: val is the second of k parts, train the others

They are written beside the layout NAME, with links to its images and labels.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import files, image_groups
from bench.datasets import layout as layouts
from bench.datasets.splits import ordered_by_hash
from bench.datasets.stratify import nested_order
from bench.errors import DataError
from bench.layout import CATEGORY_OFFSET, Layout, SplitName

Coco = dict[str, Any]


def share_of_train(layout: Layout, percent: int, seed: int) -> Layout:
    """A layout with `percent` of the train images, stratified and in whole groups; an existing one is reused.

    For one seed, a smaller share is part of each larger one. The classes of the fewest images come first.

    Raises DataError where the share has no box.
    """
    part = f"share{percent}-seed{seed}"
    if existing := layouts.finished(_root(layout, part)):
        return existing
    train = _read(layout, "train")
    chosen = first_images(train, _grouping_rule(layout), percent, seed)
    kept = _only(train, chosen)
    if not kept["annotations"]:
        raise DataError(
            "holds no box",
            record="shares",
            value=f"{percent} % of train: {len(chosen)} of {len(train['images'])} images",
            hint="leave out this share",
        )
    return _write(layout, part, {"train": kept, "val": _read(layout, "val")})


def first_images(coco: Coco, rule: str, percent: int, seed: int) -> set[int]:
    """Ids of `percent` of the images: the beginning of an order that depends on the seed alone.

    Groups are whole: the last one is taken if the share is not reached without it.
    """
    images = coco["images"]
    keys, item_of = np.unique(np.array(image_groups.of_coco(images, rule), dtype=object), return_inverse=True)
    weights = np.bincount(item_of, minlength=len(keys))
    order = nested_order(
        _present(coco, item_of, len(keys)), weights, ordered_by_hash(seed, [str(key) for key in keys])
    )
    before = np.concatenate([[0], np.cumsum(weights[order])[:-1]])
    taken = np.isin(item_of, order[before < max(1, round(len(images) * percent / 100))])
    return {image["id"] for image, inside in zip(images, taken.tolist(), strict=True) if inside}


def _grouping_rule(layout: Layout) -> str:
    manifest = json.loads(layout.manifest_path.read_bytes())
    return str(manifest["config"]["split"]["group"])


def _present(coco: Coco, item_of: NDArray[np.intp], items: int) -> NDArray[np.bool_]:
    """(items, classes), whether an item has a box of the class."""
    position = {image["id"]: row for row, image in enumerate(coco["images"])}
    present = np.zeros((items, len(coco["categories"])), dtype=np.bool_)
    for box in coco["annotations"]:
        if not box.get("iscrowd", 0):
            present[item_of[position[box["image_id"]]], box["category_id"] - CATEGORY_OFFSET] = True
    return present


def _read(layout: Layout, split: SplitName) -> Coco:
    coco: Coco = json.loads(layout.coco_path(split).read_bytes())
    return coco


def _only(coco: Coco, image_ids: set[int]) -> Coco:
    return {
        **coco,
        "images": [image for image in coco["images"] if image["id"] in image_ids],
        "annotations": [box for box in coco["annotations"] if box["image_id"] in image_ids],
    }


def _root(layout: Layout, part: str) -> Path:
    return layout.root.with_name(f"{layout.root.name}-{part}")


def _write(layout: Layout, part: str, splits: dict[SplitName, Coco]) -> Layout:
    """The layout NAME-PART with these train and val splits; safe with concurrent processes."""
    root = _root(layout, part)
    folders = {
        image["id"]: split for split in ("train", "val", "test") for image in _read(layout, split)["images"]
    }
    with files.replacing_folder(root, finished=lambda: layouts.finished(root) is not None) as folder:
        new = Layout(folder, layout.classes)
        new.coco_path("train").parent.mkdir(parents=True)
        shutil.copyfile(layout.coco_path("test"), new.coco_path("test"))
        for split, coco in (*splits.items(), ("test", _read(layout, "test"))):
            if split != "test":
                files.write_json(new.coco_path(split), coco, indent=None)
            _link_all(new, layout, split, coco, folders)
        layouts.write_data_yaml(new.data_yaml, layout.classes)
        manifest = json.loads(layout.manifest_path.read_bytes())
        files.write_json(
            new.manifest_path, {"classes": list(layout.classes), "key": f"{manifest['key']} {part}"}
        )
    return Layout.open(root)


def _link_all(new: Layout, layout: Layout, split: SplitName, coco: Coco, folders: dict[int, Any]) -> None:
    """Links to the images and labels of one split, wherever `layout` has them."""
    images, labels = new.images_dir(split), new.labels_dir(split)
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for image in coco["images"]:
        name, origin = image["file_name"], folders[image["id"]]
        text = f"{name.rpartition('.')[0]}.txt"
        for folder, target in (
            (images, layout.images_dir(origin) / name),
            (labels, layout.labels_dir(origin) / text),
        ):
            layouts.link(str(target), str(folder / target.name), os.path.realpath(folder))


__all__ = ["first_images", "share_of_train"]
