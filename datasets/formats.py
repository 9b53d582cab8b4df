"""Detect the format of a dataset from the files in its folder."""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.datasets import classes
from bench.datasets.sources import coco, csv_table, folders, voc, yolo_yaml
from bench.errors import DataError
from bench.layout import SplitName


@dataclass(frozen=True)
class Format:
    """How a folder is to be read."""

    source: str
    data: dict[str, object]  # further keys of `data`
    reason: str


def detect(root: Path) -> Format:
    """The format of the dataset in `root`, by its files. Raises DataError if none is recognised."""
    try:
        return _yolo(yolo_yaml.parse(yolo_yaml.find(root), root))
    except DataError as error:
        if any(root.glob("data.y*ml")):
            raise
        no_yaml = error
    try:
        jsons = coco.find(root)
    except DataError:
        if voc.find(root):
            return Format("voc", {}, "Pascal VOC xml")
        tables = csv_table.find(root)
        if len(tables) == 1:
            return Format("csv", {"annotations": tables[0].name}, f"{tables[0].name}: a csv of boxes")
        raise _unknown(root) from no_yaml
    return _coco(root, jsons)


def _yolo(data_yaml: yolo_yaml.DataYaml) -> Format:
    fracture = classes.read_table("fracture")
    if fracture is not None and set(data_yaml.classes) == set(fracture.targets):
        return Format("fracture", {"classes": "fracture"}, f"{data_yaml.path.name} with the fracture classes")
    return Format("yolo", {}, f"{data_yaml.path.name}: a YOLO dataset")


def _coco(root: Path, jsons: list[tuple[SplitName | None, Path]]) -> Format:
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
        named = set()  # the reader reports what is wrong
    taco = classes.read_table("taco-7")
    if taco is not None and named and named <= set(taco.targets):
        return Format("taco", {**data, "classes": "taco-7"}, f"{reason}, with TACO's categories")
    return Format("coco", data, reason)


def _unknown(root: Path) -> DataError:
    deeper = [
        path.parent
        for pattern in ("*/data.yaml", "*/annotations.json")
        for path in sorted(root.glob(pattern))
    ]
    if deeper:
        hint = f"use the folder below it: {deeper[0]}"
    elif folders.images(root):
        hint = "there are pictures but no annotations: export them as COCO, YOLO, VOC or csv"
    else:
        hint = "use the folder of a COCO, YOLO, VOC or csv dataset"
    return DataError("contains no COCO json, data.yaml, Pascal VOC xml or csv of boxes", file=root, hint=hint)
