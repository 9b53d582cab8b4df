"""`bench data convert`, `bench data describe`, `bench init`."""

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from bench import files
from bench.cli import data_notes
from bench.cli.console import console
from bench.cli.progress import watch_data
from bench.config import BenchConfig, read_config
from bench.datasets.describe import Distribution, draw
from bench.datasets.describe import describe as distribution_of
from bench.datasets.prepare import prepare
from bench.datasets.proposal import propose_config
from bench.errors import ConfigError
from bench.frequencies import rare_classes
from bench.layout import Layout
from bench.reports import wording


def convert(config_path: Path | None, overrides: list[str]) -> None:
    _, layout = _prepare(config_path, overrides)
    console().print(f"layout    {layout.root}")
    console().print(f"YOLO      {layout.data_yaml}")
    console().print(f"COCO      {layout.root / 'annotations'}")
    console().print(f"manifest  {layout.manifest_path}")
    data_notes.tell(console(), layout.manifest_path, layout.root)


def describe(config_path: Path | None, overrides: list[str], figure: Path | None) -> None:
    config, layout = _prepare(config_path, overrides)
    rare = rare_classes(layout.class_counts("train"), config.rare_classes)
    distribution = distribution_of(layout)
    console().print(table_of(distribution))
    console().print(Text(f"rare      {', '.join(rare) or 'no class'}: AP_rare is the mean of their AP"))
    target = figure or layout.root.with_name(layout.root.name + "-classes.svg")
    draw(distribution, target)
    console().print(f"drawn     {target}")
    data_notes.tell(console(), layout.manifest_path, layout.root)


def init(folder: Path, output: Path, force: bool) -> None:
    if output.exists() and not force:
        raise ConfigError("exists already", file=output, hint="use --force, or another --output")
    text = propose_config(folder, output.parent.resolve())
    files.write_text(output, text)
    console().print(f"wrote {output}; review it, then: bench run -c {output}")


def _prepare(config_path: Path | None, overrides: list[str]) -> tuple[BenchConfig, Layout]:
    config = read_config(config_path, overrides=overrides)
    with watch_data() as progress:
        return config, prepare(config.data, config.cache, progress=progress)


def table_of(distribution: Distribution) -> Table:
    """One row per class, one section per split."""
    table = Table(title="Boxes by class", title_justify="left", box=box.SIMPLE)
    table.add_column("split")
    table.add_column("class")
    for column in ("boxes", "pictures", "share", "inverse density", "weight"):
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


def _places(value: float | None, places: int) -> str:
    return wording.NOTHING if value is None else f"{value:.{places}f}"
