"""`bench data convert`, `bench data describe`, `bench init`."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import files
from bench.cli.progress import watch_data
from bench.config import read_config
from bench.datasets import describe as describing
from bench.datasets import prepare, sniff
from bench.errors import ConfigError
from bench.layout import Layout

console = Console(highlight=False, soft_wrap=True)


def convert(config_path: Path | None, overrides: list[str]) -> None:
    layout = _prepare(config_path, overrides)
    console.print(f"layout    {layout.root}", markup=False)
    console.print(f"YOLO      {layout.data_yaml}", markup=False)
    console.print(f"COCO      {layout.root / 'annotations'}", markup=False)
    console.print(f"manifest  {layout.manifest_path}", markup=False)


def describe(config_path: Path | None, overrides: list[str], figure: Path | None) -> None:
    layout = _prepare(config_path, overrides)
    distribution = describing.describe(layout)
    console.print(table_of(distribution))
    target = figure or layout.root.with_name(layout.root.name + "-classes.svg")
    describing.draw(distribution, target)
    console.print(f"drawn     {target}", markup=False)


def init(folder: Path, output: Path, force: bool) -> None:
    if output.exists() and not force:
        raise ConfigError("stands there already", file=output, mend="say --force, or another --output")
    text = sniff(folder)
    files.write_text(output, text)
    console.print(f"wrote {output}; look it over, then: bench run -c {output}", markup=False)


def _prepare(config_path: Path | None, overrides: list[str]) -> Layout:
    config = read_config(config_path, overrides=overrides)
    with watch_data() as progress:
        return prepare(config.data, config.cache, progress=progress)


def table_of(distribution: object) -> Table:
    raise NotImplementedError
