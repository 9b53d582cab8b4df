"""Read, check and repair, map classes, split and write a dataset, or reuse the layout that exists already."""

from pathlib import Path
from typing import Any

from bench import registry
from bench.data_config import DataConfig
from bench.datasets import classes, fingerprint, layout, repairs, splits, statistics
from bench.datasets.dataset import Reader, Source
from bench.datasets.image_files import inspect_all
from bench.datasets.progress import ProgressCallback, silent
from bench.datasets.settle import settle
from bench.datasets.sources import folders
from bench.layout import SPLITS, Layout


def prepare(config: DataConfig, cache: Path, progress: ProgressCallback = silent) -> Layout:
    """The layout of the dataset that `config` names, in `cache`; an existing one is reused.

    `progress` is called during long work with (what, done, total).

    Raises:
        DataError: the source is malformed, or a split would be empty or without a box; nothing is written.
        RunError: the cache can't be written (a full disk, a closed folder); nothing is left behind.
    """
    classes.read_table(config.classes)  # reports a wrong table before the long read
    read: Reader = registry.load(registry.SOURCES[config.source])
    progress("reading annotations", 0, 1)
    with folders.reading(config.path):
        source = read(config, cache.resolve() / "sources")
    progress("reading annotations", 1, 1)
    return convert(source, config, cache, progress)


def convert(source: Source, config: DataConfig, cache: Path, progress: ProgressCallback = silent) -> Layout:
    """`prepare` for a source that is already in memory. Raises the same errors."""
    table = classes.read_table(config.classes)
    key = fingerprint.of_inputs(source, _settings(config, table))
    root = cache.resolve() / "datasets" / f"{config.source}-{key}"
    return layout.finished(root) or _make(root, source, config, table, progress)


def _make(
    root: Path,
    source: Source,
    config: DataConfig,
    table: classes.ClassTable | None,
    progress: ProgressCallback,
) -> Layout:
    paths: list[str] = source.dataset.images.paths.tolist()
    inspected = [] if source.known_good else inspect_all(paths, progress)
    settled, made, kept = settle(source, inspected)
    dataset, class_account = classes.apply(settled, table)
    split, split_account = splits.assign(dataset, config.split, config.limit, source.declared)
    kept_files = [inspected[row] for row in kept] if inspected else []
    prepared = layout.Prepared(dataset, split, kept_files, made)
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
        "repairs": repairs.summary(made),
        "statistics": statistics.of_splits(dataset, split),
    }
    return layout.write(root, prepared, manifest, progress)


def _settings(config: DataConfig, table: classes.ClassTable | None) -> dict[str, Any]:
    """The settings that, with the source, determine the layout."""
    return {
        "format_version": layout.FORMAT_VERSION,
        "table": None if table is None else [table.name, table.classes, dict(table.targets), table.rest],
        "split": config.split.model_dump(mode="json"),
        "limit": config.limit,
    }
