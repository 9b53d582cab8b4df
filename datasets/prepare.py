"""Read, check and repair, map classes, split and write a dataset, or reuse the layout that exists already."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.data_config import DataConfig
from bench.datasets import classes, fingerprint, layout, repairs, safe_repairs, splits, statistics
from bench.datasets.box_formats import refuse_other_formats
from bench.datasets.dataset import Source
from bench.datasets.image_cache import ImageCache
from bench.datasets.image_files import common_depth, inspect_all, with_common_depth
from bench.datasets.perceptual_hash import look_alikes
from bench.datasets.progress import ProgressCallback, silent
from bench.datasets.reading import read_sound
from bench.datasets.settle import settle
from bench.layout import SPLITS, Layout


def prepare(config: DataConfig, cache: Path, progress: ProgressCallback = silent) -> Layout:
    """The layout of the dataset that `config` names, in `cache`; an existing one is reused.

    `progress` is called during long work with (what, done, total).

    Raises:
        DataError: the source is malformed, or a split would be empty or without a box; nothing is written.
        RunError: the cache can't be written (a full disk, a closed folder); nothing is left behind.
    """
    classes.read_table(config.classes)  # reports a wrong table before the long read
    source = read_sound(config, cache.resolve() / "sources", progress)
    return convert(source, config, cache, progress)


def convert(source: Source, config: DataConfig, cache: Path, progress: ProgressCallback = silent) -> Layout:
    """`prepare` for a source that is already in memory. Raises the same errors."""
    key = fingerprint.of_inputs(source, _settings(config, classes.read_table(config.classes)))
    root = cache.resolve() / "datasets" / f"{config.source}-{key}"
    existing = layout.finished(root)
    return existing or layout.write(root, *build(source, config, cache, progress), progress)


def build(
    source: Source, config: DataConfig, cache: Path, progress: ProgressCallback = silent
) -> tuple[layout.Prepared, dict[str, Any]]:
    """All but the writing: the dataset that is to be written, and its manifest.

    What decoding the images finds is kept in `cache`. Raises DataError.
    """
    table = classes.read_table(config.classes)
    paths: list[str] = source.dataset.images.paths.tolist()
    stored = ImageCache(cache.resolve() / "images")
    hashed = config.split.near_duplicates
    inspected = (
        [] if source.known_good else with_common_depth(inspect_all(paths, progress, stored, hashed=hashed))
    )
    if config.repair:
        source, keep = safe_repairs.apply(source, inspected)
        inspected = (
            [one for one, kept in zip(inspected, keep.tolist(), strict=True) if kept] if inspected else []
        )
    refuse_other_formats(source, inspected)
    settled, made, kept = settle(source, inspected)
    dataset, class_account = classes.apply(settled, table)
    kept_files = [inspected[row] for row in kept] if inspected else []
    contents = [one.sha256 for one in kept_files] or None
    alike = look_alikes([one.perceptual_hash for one in kept_files]) if hashed and kept_files else None
    split, split_account = splits.assign(
        dataset, config.split, config.limit, source.declared, contents, alike
    )
    names: list[str] = dataset.images.names.tolist()
    grouped = splits.groups_of(names, config.split.group, alike or contents)
    prepared = layout.Prepared(dataset, split, kept_files, made, grouped)
    taken = int((split >= 0).sum())
    manifest: dict[str, Any] = {
        "format_version": layout.FORMAT_VERSION,
        "key": fingerprint.of_content(dataset, split, kept_files),
        "classes": list(dataset.classes),
        "source": {**source.metadata, "images_listed": len(paths)},
        "config": config.model_dump(mode="json"),
        "table": class_account,
        "split": {
            **split_account,
            "counts": {name: int((split == part).sum()) for part, name in enumerate(SPLITS)},
        },
        "limit": {"images": taken, "of": len(split), "how": "a stratified share of each split"}
        if taken < len(split)
        else None,
        "bit_depth": common_depth(kept_files),
        "repairs": repairs.summary(made),
        "renamed": int(
            np.count_nonzero(dataset.images.names != np.array(prepared.file_names(), dtype=object))
        ),
        "statistics": statistics.of_splits(dataset, split),
    }
    return prepared, manifest


def _settings(config: DataConfig, table: classes.ClassTable | None) -> dict[str, Any]:
    """The settings that, with the source, determine the layout."""
    return {
        "format_version": layout.FORMAT_VERSION,
        "table": None if table is None else [table.name, table.classes, dict(table.targets), table.rest],
        "split": config.split.model_dump(mode="json", exclude={"near_duplicates"}),
        "limit": config.limit,
        **({"repair": True} if config.repair else {}),
        **({"near_duplicates": True} if config.split.near_duplicates else {}),
    }
