"""Whether a source keeps the contract of bench.datasets.dataset: sound columns, the dataset left alone."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bench.data_config import DataConfig
from bench.datasets.dataset import NO_SPLIT, Source, SourcePlugin
from bench.errors import BenchError, DataError
from bench.layout import SPLITS


def check_source(
    plugin: SourcePlugin,
    data: str | os.PathLike[str],
    folder: Path,
    *,
    options: Mapping[str, Any] | None = None,
) -> list[str]:
    """How the source departs from its contract, one sentence each; empty if it does not.

    Args:
        data: a small dataset in its format.
        folder: an empty folder to work in.
        options: `data.options`, settings of the source's own model.
    """
    return list(_departures(plugin, Path(data).resolve(), folder, dict(options or {})))


def _departures(plugin: SourcePlugin, data: Path, folder: Path, options: dict[str, Any]) -> Iterator[str]:
    before = _files(data)
    try:
        first, again = (_read(plugin, data, folder / name, options) for name in ("first", "again"))
    except BenchError as error:
        yield f"does not read the dataset: {error}"
        return
    if first.problems.count:
        yield "reports bad rows in a dataset that should be sound"
    yield from _of_images(first)
    yield from _of_boxes(first)
    if not _equal(first, again):
        yield "returns something else when it reads the same dataset again"
    if _files(data) != before:
        yield "changes the dataset's folder"
    try:
        json.dumps(dict(first.metadata))
    except (TypeError, ValueError):
        yield "has metadata that are no JSON values"
    yield from _of_nothing(plugin, folder, options)


def _read(plugin: SourcePlugin, data: Path, workdir: Path, options: dict[str, Any]) -> Source:
    workdir.mkdir(parents=True)
    # Not validated: the source need not be installed as an entry point.
    config = DataConfig.model_construct(source="plugin", path=data, options=options)
    plugin.settings.model_validate(options)
    return plugin.read(config, workdir)


def _of_images(source: Source) -> Iterator[str]:
    images = source.dataset.images
    names: list[str] = images.names.tolist()
    if not names:
        yield "returns no image"
    if len(set(names)) < len(names):
        yield "gives one name to several images"
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            yield f"has a name that is not relative and posix: {name!r}"
            break
    for file in images.paths.tolist():
        if not os.path.isabs(file) or not os.path.isfile(file):  # noqa: PTH113, PTH117 -- as strings
            yield f"has a path that is not an absolute one of a file: {file!r}"
            break
    if not (len(images.paths) == len(images.sizes_wh) == len(images.splits) == len(names)):
        yield "has image columns of different lengths"
    if not set(images.splits.tolist()) <= {NO_SPLIT, *range(len(SPLITS))}:
        yield "has a split that is no index of bench.layout.SPLITS"


def _of_boxes(source: Source) -> Iterator[str]:
    dataset, boxes = source.dataset, source.dataset.boxes
    if len(set(dataset.classes)) < len(dataset.classes) or not all(dataset.classes):
        yield "has a class without a name, or two of one name"
    rows = len(boxes)
    if not (len(boxes.label) == len(boxes.xyxy) == len(boxes.crowd) == len(boxes.record) == rows):
        yield "has box columns of different lengths"
        return
    if rows and not (boxes.image.min() >= 0 and boxes.image.max() < len(dataset.images)):
        yield "has boxes of images that it does not return"
    if rows and not (boxes.label.min() >= 0 and boxes.label.max() < len(dataset.classes)):
        yield "has boxes of classes that it does not return"
    if not np.isfinite(boxes.xyxy).all():
        yield "has boxes that are not finite"
    elif (boxes.xyxy[:, 2:] < boxes.xyxy[:, :2]).any():
        yield "has boxes whose right or bottom is less than left or top: xywh in place of xyxy?"
    if source.normalized and (np.abs(boxes.xyxy) > 2).any():
        yield "says that its boxes are fractions, and they are pixels"


def _of_nothing(plugin: SourcePlugin, folder: Path, options: dict[str, Any]) -> Iterator[str]:
    """An empty folder is a user's mistake, not a traceback."""
    empty = folder / "empty"
    empty.mkdir()
    try:
        found = _read(plugin, empty, folder / "nothing", options)
    except DataError:
        return
    except Exception as error:  # whatever it raises is the finding
        yield f"raises {type(error).__name__} for an empty folder, in place of DataError"
        return
    if len(found.dataset.images):
        yield "finds images in an empty folder"
    else:
        yield "reads an empty folder without a DataError"


def _equal(one: Source, other: Source) -> bool:
    return (
        one.dataset.classes == other.dataset.classes
        and one.dataset.images.names.tolist() == other.dataset.images.names.tolist()
        and all(
            np.array_equal(getattr(one.dataset.boxes, column), getattr(other.dataset.boxes, column))
            for column in ("image", "label", "xyxy", "crowd")
        )
    )


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }
