"""`bench.convert`, `bench.describe`, `bench.init`: the data, without training."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench import files
from bench.api import call, data_notes, frames
from bench.api.label_findings import with_doubts
from bench.api.screens import open_screen
from bench.config import BenchConfig, Overrides, Source, read_config
from bench.datasets.checks import Report as CheckReport
from bench.datasets.checks import check as check_config
from bench.datasets.checks import check_folder
from bench.datasets.describe import ClassCounts, Distribution, SplitCounts, draw
from bench.datasets.describe import describe as distribution_of
from bench.datasets.exports import FORMATS, Resize
from bench.datasets.exports import export as write_format
from bench.datasets.prepare import build, prepare
from bench.datasets.proposal import propose_config
from bench.datasets.reading import read_sound
from bench.errors import ConfigError
from bench.frequencies import rare_classes
from bench.layout import Layout, SplitName
from bench.store import RunFolder

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Dataset:
    """A dataset in the layouts that frameworks read, on disk."""

    layout: Layout

    @property
    def path(self) -> Path:
        return self.layout.root

    @property
    def classes(self) -> tuple[str, ...]:
        return self.layout.classes

    @property
    def data_yaml(self) -> Path:
        """The YOLO layout's entry."""
        return self.layout.data_yaml

    def annotations(self, split: SplitName) -> Path:
        """The COCO json of 'train', 'val' or 'test'."""
        return self.layout.coco_path(split)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Source, hashes, classes, splits, repairs, statistics."""
        manifest: dict[str, Any] = json.loads(self.layout.manifest_path.read_text(encoding="utf-8"))
        return manifest

    @property
    def notes(self) -> list[str]:
        """What a person should know about the data: repairs, changed splits, leaks between them."""
        return [line for line, _ in data_notes.notes(self.manifest, self.path)]

    def __fspath__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class DataDescription:
    """The class distribution of a dataset; regions marked as crowds are left out."""

    dataset: Dataset
    distribution: Distribution
    rare: tuple[str, ...]
    """The classes that `AP_rare` is the mean of."""

    @property
    def splits(self) -> "DataFrame":
        """One row for each split: images, images without boxes (background), boxes."""
        return frames.frame(self.distribution.splits, list(SplitCounts.__dataclass_fields__))

    @property
    def classes(self) -> "DataFrame":
        """One row for each split and class; `bench.datasets.describe` has the formulas."""
        table = frames.frame(self.distribution.classes, list(ClassCounts.__dataclass_fields__))
        return table.rename(columns={"name": "class"}).assign(rare=table["name"].isin(self.rare))

    def draw(self, path: str | os.PathLike[str]) -> Path:
        """Draw the distribution, as .svg, .png or .pdf. Raises ConfigError for another suffix."""
        target = Path(path)
        draw(self.distribution, target)
        return target

    def _repr_html_(self) -> str:
        return str(self.classes.to_html(index=False))


def convert(config: Source = None, *, overrides: Overrides = (), progress: bool | None = None) -> Dataset:
    """Read, check, repair and split the data of a config, and write the COCO and YOLO layouts.

    What has been written for the same data before is used again. Arguments as for `bench.run`.
    Raises ConfigError for the config, DataError where the source can't be read as it claims to be.
    """
    return _prepared(read_config(call.config_of(config), overrides=overrides), progress)


@dataclass(frozen=True)
class Exported:
    """A folder that was written by `export`."""

    path: Path
    manifest: dict[str, Any]
    lost: tuple[str, ...]
    """What the format can't express, a sentence each."""


def export(
    output: str | os.PathLike[str],
    config: Source = None,
    *,
    to: str = "coco",
    images: Literal["link", "copy", "encode"] = "link",
    resize: Resize | None = None,
    overrides: Overrides = (),
    progress: bool | None = None,
) -> Exported:
    """Write the data of a config to the new folder `output`, as coco, yolo, voc or csv.

    Pictures are linked, copied or re-encoded; with `resize` they are re-encoded, and boxes are scaled too.
    Raises what `convert` raises, and ConfigError if `output` is not empty.
    """
    settings = read_config(call.config_of(config), overrides=overrides)
    if to not in FORMATS:
        raise ConfigError("no such format", record="to", value=to, hint=f"there are: {', '.join(FORMATS)}")
    with open_screen(progress) as screen:

        def show(what: str, done: int, total: int) -> None:
            screen.bar(f"data: {what}", done, total)

        source = read_sound(settings.data, settings.cache.resolve() / "sources", show)
        prepared, manifest = build(source, settings.data, settings.cache, show)
        lost = write_format(Path(output), to, prepared, manifest, images=images, resize=resize, progress=show)
    return Exported(Path(output), manifest, tuple(lost))


def check(
    folder: str | os.PathLike[str] | None = None,
    config: Source = None,
    *,
    images: str | os.PathLike[str] | None = None,
    annotations: str | os.PathLike[str] | None = None,
    group: str | None = None,
    known: str | os.PathLike[str] | None = None,
    trained: str | os.PathLike[str] | None = None,
    overrides: Overrides = (),
    progress: bool | None = None,
) -> CheckReport:
    """What is wrong with the dataset in `folder`, or with the data of a config; nothing is changed.

    Args:
        images: the pictures' folder, if it is not `folder`.
        annotations: the annotation file, relative to `folder`.
        group: which pictures belong together: roboflow, folder, or a regular expression.
        known: a COCO json or a text file that names all pictures that exist somewhere.
        trained: a run on this data: adds what its models say of the labels of val and test.

    Raises DataError if there is no folder or nothing in it is recognised, RunError for the run.
    """
    run = None if trained is None else RunFolder.open(Path(trained))
    report = _checked(folder, config, images, annotations, group, known, overrides, progress)
    return report if run is None else with_doubts(report, run)


def _checked(
    folder: str | os.PathLike[str] | None,
    config: Source,
    images: str | os.PathLike[str] | None,
    annotations: str | os.PathLike[str] | None,
    group: str | None,
    known: str | os.PathLike[str] | None,
    overrides: Overrides,
    progress: bool | None,
) -> CheckReport:
    names = None if known is None else Path(known)
    with open_screen(progress) as screen:

        def show(what: str, done: int, total: int) -> None:
            screen.bar(f"data: {what}", done, total)

        if folder is None:
            settings = read_config(call.config_of(config), overrides=overrides)
            return check_config(settings.data, settings.cache, show, known=names)
        if config is not None or overrides:
            raise ConfigError("are not used with a folder", record="config, overrides", hint="leave one out")
        return check_folder(
            Path(folder),
            _user_cache(),
            show,
            images=None if images is None else Path(images).resolve(),
            annotations=None if annotations is None else Path(annotations),
            group=group,
            known=names,
        )


def _user_cache() -> Path:
    """Where inspected images are remembered when there is no bench.yaml; never in the source."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench"


def describe(
    config: Source = None, *, overrides: Overrides = (), progress: bool | None = None
) -> DataDescription:
    """The class distribution of each split. Arguments and errors as for `bench.convert`."""
    settings = read_config(call.config_of(config), overrides=overrides)
    dataset = _prepared(settings, progress)
    rare = rare_classes(dataset.layout.class_counts("train"), settings.rare_classes)
    return DataDescription(dataset, distribution_of(dataset.layout), rare)


def init(
    folder: str | os.PathLike[str], output: str | os.PathLike[str] = "bench.yaml", *, force: bool = False
) -> Path:
    """Look at a folder of data, and write a commented bench.yaml for it to `output`.

    Raises:
        ConfigError: `output` exists, and `force` is False.
        DataError: the folder holds no data of a known format, or broken data.
    """
    target = Path(output)
    if target.exists() and not force:
        raise ConfigError("exists already", file=target, hint="use --force (force=True), or another --output")
    files.write_text(target, propose_config(Path(folder), target.parent.resolve()))
    return target


def _prepared(config: BenchConfig, progress: bool | None) -> Dataset:
    with open_screen(progress) as screen:
        return Dataset(
            prepare(
                config.data,
                config.cache,
                progress=lambda what, done, total: screen.bar(f"data: {what}", done, total),
            )
        )
