"""The whole way of the data: read, check and repair, map classes, split, write; or find that it is done."""

from pathlib import Path
from typing import Any

from bench import registry
from bench.data_config import DataConfig
from bench.datasets import classes, findings, fingerprint, image_files, layout, repairs, splits, statistics
from bench.datasets.dataset import Reader, Source
from bench.datasets.progress import Progress, nothing
from bench.datasets.sources import folders
from bench.layout import SPLITS, Layout


def prepare(config: DataConfig, cache: Path, progress: Progress = nothing) -> Layout:
    """The layout of the dataset that `config` names, below `cache`; one that stands there is used as it is.

    `progress` hears of long work: what, how much is done, of how much.

    Raises:
        DataError: the source is not what it claims to be, or a split would be empty or without a box;
            nothing is written.
        RunError: the cache can't be written (a full disk, a closed folder); nothing is left behind.
    """
    classes.read_table(config.classes)  # a table that is wrong is told of before the long reading
    read: Reader = registry.load(registry.SOURCES[config.source])
    progress("reading annotations", 0, 1)
    with folders.reading(config.path):
        source = read(config, cache.resolve() / "sources")
    progress("reading annotations", 1, 1)
    return convert(source, config, cache, progress)


def convert(source: Source, config: DataConfig, cache: Path, progress: Progress = nothing) -> Layout:
    """`prepare` from a source that has been read. Raises the same."""
    table = classes.read_table(config.classes)
    key = fingerprint.of_inputs(source, _settings(config, table))
    root = cache.resolve() / "datasets" / f"{config.source}-{key}"
    return layout.finished(root) or _make(root, source, config, table, progress)


def _make(
    root: Path, source: Source, config: DataConfig, table: classes.ClassTable | None, progress: Progress
) -> Layout:
    paths: list[str] = source.dataset.images.paths.tolist()
    looked_at = [] if source.known_good else image_files.inspect_all(paths, progress)
    settled, found, kept = repairs.settle(source, looked_at)
    dataset, class_account = classes.apply(settled, table)
    split, split_account = splits.assign(dataset, config.split, config.limit, source.named)
    left = [looked_at[row] for row in kept] if looked_at else []
    prepared = layout.Prepared(dataset, split, left, found)
    taken = int((split >= 0).sum())
    manifest: dict[str, Any] = {
        "format_version": layout.FORMAT_VERSION,
        "key": fingerprint.of_content(dataset, split, left),
        "classes": list(dataset.classes),
        "source": {**source.account, "images_listed": len(paths)},
        "config": config.model_dump(mode="json"),
        "table": class_account,
        "split": {
            **split_account,
            "counts": {name: int((split == part).sum()) for part, name in enumerate(SPLITS)},
        },
        "limit": {"images": taken, "of": len(split), "how": "a stratified share of each split"}
        if taken < len(split)
        else None,
        "repairs": findings.account(found),
        "statistics": statistics.of_splits(dataset, split),
    }
    return layout.write(root, prepared, manifest, progress)


def _settings(config: DataConfig, table: classes.ClassTable | None) -> dict[str, Any]:
    """What else than the source decides how a layout looks."""
    return {
        "format_version": layout.FORMAT_VERSION,
        "table": None if table is None else [table.name, table.classes, dict(table.targets), table.rest],
        "split": config.split.model_dump(mode="json"),
        "limit": config.limit,
    }
