"""`bench weights list`, `bench weights fetch`, `bench weights import`."""

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from bench.adapters.importing import import_weights
from bench.adapters.weights.caches import weights_dir
from bench.adapters.weights.download import telling
from bench.adapters.weights.published import fingerprint, locate
from bench.adapters.weights.whereabouts import every
from bench.cli.console import console
from bench.cli.progress import watcher
from bench.reports import wording

HERE = ("own folder", "framework's cache")


def list_() -> None:
    standings = every()
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in ("name", "trained on", "size", "where"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=column == "name")
    for one in standings:
        size = wording.NOTHING if one.size_bytes is None else wording.bytes_(one.size_bytes)
        style = None if one.state in HERE else "dim"
        table.add_row(Text(one.entry.name), Text(one.entry.trained_on), size, one.state, style=style)
    screen = console()
    screen.print(table)
    here = [one for one in standings if one.state in HERE]
    if here:
        screen.print("Here:")
    for one in here:
        screen.print(f"  {one.entry.name}: {one.path}")
    missing = [one for one in standings if one.state not in HERE]
    if not missing:
        return
    screen.print("Not here, and where they belong (bench weights import FILE puts them there):")
    for one in missing:
        for file in one.entry.files:
            screen.print(f"  {file.url}\n    -> {weights_dir() / file.place}")


def fetch(name: str) -> None:
    with watcher(console()) as view, telling(view.weights):
        found = locate(name)
    console().print(f"{name}: {found}")
    console().print(f"sha256 {fingerprint(found)}")


def import_(source: Path, name: str | None) -> None:
    placed = import_weights(source, name)
    screen = console()
    screen.print(f"{placed.entry.name}, trained on {placed.entry.trained_on}")
    screen.print(f"placed at {placed.path}" + (", in place of what was there" if placed.replaced else ""))
    screen.print(f"sha256 {placed.sha256}")
