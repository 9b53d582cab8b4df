"""`final: train+val`: after the choice on val, one more training on train and val together, tested on test.

FINAL is `CellFolder.final`, a folder with the files of a training like the first:
  data/                   a layout whose train split is train and val
  training/, best/, fitted.json, history.csv, predictions_test.json, matches_test.npz
"""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from bench import files
from bench.layout import Layout, SplitName
from bench.records import EpochRecord, TrainingRecord

JOINED_SPLITS: tuple[SplitName, ...] = ("train", "val")


def join_splits(layout: Layout, root: Path) -> Layout:
    """A layout at `root` whose train split is the train and val of `layout`; test is not in it.

    Images and labels are links to the folders of `layout`. Its val split is there for detectors that require
    one. An existing one is reused.
    """
    if (root / "manifest.json").is_file():
        return Layout.open(root)
    with files.replacing_folder(root) as folder:
        _fill(Layout(folder, layout.classes), layout)
    return Layout.open(root)


def _fill(new: Layout, layout: Layout) -> None:
    new.coco_path("train").parent.mkdir(parents=True)
    files.write_json(new.coco_path("train"), _joined_coco(layout))
    shutil.copyfile(layout.coco_path("val"), new.coco_path("val"))
    for whole, parts in (
        (new.images_dir("train"), layout.images_dir),
        (new.labels_dir("train"), layout.labels_dir),
    ):
        whole.mkdir(parents=True)
        for split in JOINED_SPLITS:
            (whole / split).symlink_to(parts(split), target_is_directory=True)
        whole.with_name("val").symlink_to(parts("val"), target_is_directory=True)
    content = {"train": "images/train", "val": "images/val", "names": dict(enumerate(layout.classes))}
    files.write_text(new.data_yaml, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    manifest = json.loads(layout.manifest_path.read_text(encoding="utf-8"))
    files.write_json(
        new.manifest_path, {"classes": list(layout.classes), "key": f"{manifest['key']} train+val"}
    )


def _joined_coco(layout: Layout) -> dict[str, Any]:
    """Both splits with new ids; file names are prefixed with the split's name."""
    whole: dict[str, Any] = {"images": [], "annotations": []}
    for split in JOINED_SPLITS:
        coco = json.loads(layout.coco_path(split).read_text(encoding="utf-8"))
        ids: dict[int, int] = {}
        for image in coco["images"]:
            ids[image["id"]] = len(whole["images"]) + 1
            name = f"{split}/{image['file_name']}"
            whole["images"].append(image | {"id": ids[image["id"]], "file_name": name})
        for annotation in coco["annotations"]:
            number = len(whole["annotations"]) + 1
            whole["annotations"].append(annotation | {"id": number, "image_id": ids[annotation["image_id"]]})
        whole = {**coco, **whole}
    return whole


def last_epoch(first: TrainingRecord) -> int | None:
    """The last epoch of the final training; None for the recipe's own length.

    Where patience ended the first training, the final one ends with its best epoch, at the same learning
    rates. (Goodfellow, Bengio and Courville 2016, Deep Learning, algorithm 7.2.)
    """
    return first.best_epoch if first.stopped_early else None


def ends_with(record: EpochRecord, last: int | None) -> bool:
    """Whether the final training ends with this epoch; `last` is from `last_epoch`."""
    return last is not None and record.epoch >= last
