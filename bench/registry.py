"""Names of detector families and dataset formats, imported when they are used.

Third parties add detectors through the entry-point group `bench.detectors`: `NAME = "module:FAMILY"`, and
dataset formats through `bench.sources`: `NAME = "module:SOURCE"`, a bench.datasets.dataset.SourcePlugin.
"""

import difflib
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from bench.detector import Family
from bench.errors import ConfigError

DETECTORS: dict[str, str] = {
    "detr": "bench.adapters.detr.family:FAMILY",
    "yolo": "bench.adapters.yolo.family:FAMILY",
    "frcnn": "bench.adapters.frcnn.family:FAMILY",
    "dino": "bench.adapters.dino.family:FAMILY",
    "rt_detr": "bench.adapters.transformers_detr.rt_detr:FAMILY",
    "rt_detr_v2": "bench.adapters.transformers_detr.rt_detr_v2:FAMILY",
    "d_fine": "bench.adapters.transformers_detr.d_fine:FAMILY",
    "conditional_detr": "bench.adapters.transformers_detr.conditional:CONDITIONAL_FAMILY",
    "dab_detr": "bench.adapters.transformers_detr.conditional:DAB_FAMILY",
    "deformable_detr": "bench.adapters.transformers_detr.deformable:FAMILY",
    "fake": "bench.adapters.fake:FAMILY",
}

SOURCES: dict[str, str] = {
    "synthetic": "bench.datasets.sources.synthetic:read",
    "coco": "bench.datasets.sources.coco:read",
    "yolo": "bench.datasets.sources.yolo:read",
    "voc": "bench.datasets.sources.voc:read",
    "csv": "bench.datasets.sources.csv_table:read",
    "taco": "bench.datasets.sources.taco:read",
    "fracture": "bench.datasets.sources.fracture:read",
}

ENTRY_POINT_GROUP = "bench.detectors"
SOURCE_GROUP = "bench.sources"


def detector_names() -> list[str]:
    """Every family: ours, then those of installed plug-ins."""
    return list(DETECTORS) + [point.name for point in entry_points(group=ENTRY_POINT_GROUP)]


def family(name: str) -> Family:
    """The family of that name. Raises ConfigError, with the closest name, if there is none."""
    if name in DETECTORS:
        return cast(Family, load(DETECTORS[name]))
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == name:
            return cast(Family, point.load())
    raise unknown("model", name, detector_names())


def source_names() -> list[str]:
    """Every dataset format: ours, then those of installed plug-ins."""
    return list(SOURCES) + [point.name for point in entry_points(group=SOURCE_GROUP)]


def source(name: str) -> Any:
    """The reader of one of our formats, or the SourcePlugin of another. Raises ConfigError."""
    if name in SOURCES:
        return load(SOURCES[name])
    for point in entry_points(group=SOURCE_GROUP):
        if point.name == name:
            return point.load()
    raise unknown("data.source", name, source_names())


def load(target: str) -> Any:
    """The object that 'package.module:attribute' names."""
    module, attribute = target.split(":")
    return getattr(import_module(module), attribute)


def unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    """An error for an unknown name, with the closest known one."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return ConfigError(f"unknown {what}", value=name, hint=f"{guess}There are: {', '.join(names)}")
