"""`bench data convert`, `bench data describe`, `bench init`."""

from collections import Counter
from pathlib import Path
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from bench.api import data, data_notes
from bench.api.console import console
from bench.datasets.describe import Distribution
from bench.datasets.exports import Resize
from bench.errors import ConfigError
from bench.reports import wording


def convert(
    config_path: Path | None,
    overrides: list[str],
    output: Path | None = None,
    to: str = "coco",
    images: Literal["link", "copy", "encode"] = "link",
    resize: Resize | None = None,
) -> None:
    """Write the layouts to the cache, or one format to `output`."""
    if output is not None:
        _export(config_path, overrides, output, to, images, resize)
        return
    if images != "link" or resize is not None:
        raise ConfigError(
            "need --output", record="--copy, --encode, --long-side", hint="name a folder: --output DIR"
        )
    dataset = data.convert(config_path, overrides=overrides, progress=True)
    console().print(f"layout    {dataset.path}")
    console().print(f"YOLO      {dataset.data_yaml}")
    console().print(f"COCO      {dataset.path / 'annotations'}")
    console().print(f"manifest  {dataset.layout.manifest_path}")
    _show_notes(dataset)


def resize_of(long_side: int | None, square: bool) -> Resize | None:
    """What --long-side and --square mean together. Raises ConfigError."""
    if square and long_side is None:
        raise ConfigError("needs a size", record="--square", hint="add --long-side PIXELS")
    return None if long_side is None else Resize(long_side, square)


def _export(
    config_path: Path | None,
    overrides: list[str],
    output: Path,
    to: str,
    images: Literal["link", "copy", "encode"],
    resize: Resize | None,
) -> None:
    exported = data.export(
        output, config_path, to=to, images=images, resize=resize, overrides=overrides, progress=True
    )
    counts = exported.manifest["split"]["counts"]
    console().print(f"{to:<9} {output}")
    console().print("pictures  " + ", ".join(f"{split} {count:,}" for split, count in counts.items()))
    for repair in exported.manifest["repairs"].values():
        console().print(Text(f"repairs   {repair['count']:,} {repair['meaning']}"))
    for line in exported.lost:
        console().print(Text(f"lost      {line}", style="yellow"))


def describe(config_path: Path | None, overrides: list[str], figure: Path | None) -> None:
    description = data.describe(config_path, overrides=overrides, progress=True)
    dataset = description.dataset
    console().print(table_of(description.distribution))
    console().print(shares_of(description.distribution))
    rare = ", ".join(description.rare) or "no class"
    console().print(Text(f"rare      {rare}: AP_rare is the mean of their AP"))
    drawn = description.draw(figure or dataset.path.with_name(dataset.path.name + "-classes.svg"))
    console().print(f"drawn     {drawn}")
    _show_notes(dataset)


def init(folder: Path, output: Path, force: bool) -> None:
    written = data.init(folder, output, force=force)
    console().print(f"wrote {written}; review it, then: bench run -c {written}")


def _show_notes(dataset: data.Dataset) -> None:
    for line, style in data_notes.notes(dataset.manifest, dataset.path):
        console().print(Text(line, style=style))


def table_of(distribution: Distribution) -> Table:
    """One row for each class, one section for each split."""
    table = Table(title="Boxes by class", title_justify="left", box=box.SIMPLE)
    table.add_column("split")
    table.add_column("class")
    for column in ("boxes", "images", "share", "inverse density", "weight"):
        table.add_column(column, justify="right")
    for split in distribution.splits:
        table.add_section()
        for number, row in enumerate(distribution.of(split.split)):
            table.add_row(
                "" if number else split.split,
                Text(row.name),
                str(row.boxes),
                str(row.images),
                f"{row.share:.1%}",
                _places(row.inverse_density, 1),
                _places(row.weight, 3),
            )
        table.add_row("", "all", str(split.boxes), str(split.images), "100.0%", "", "", style="dim")
        table.add_row("", "background", "", str(split.background), "", "", "", style="dim")
    return table


def shares_of(distribution: Distribution) -> Table:
    """Each class's share of the boxes of every split, and of all boxes; the most frequent class first."""
    table = Table(title="Class shares by split", title_justify="left", box=box.SIMPLE)
    table.add_column("class")
    for column in (*(split.split for split in distribution.splits), "all"):
        table.add_column(column, justify="right")
    by_split = [{row.name: row.share for row in distribution.of(one.split)} for one in distribution.splits]
    total = sum(split.boxes for split in distribution.splits)
    held: Counter[str] = Counter()
    for row in distribution.classes:
        held[row.name] += row.boxes
    for name, boxes in held.most_common():
        shares = [share_of[name] for share_of in by_split]
        table.add_row(Text(name), *(f"{share:.1%}" for share in (*shares, boxes / total if total else 0.0)))
    return table


def _places(value: float | None, places: int) -> str:
    return wording.NOTHING if value is None else f"{value:.{places}f}"
