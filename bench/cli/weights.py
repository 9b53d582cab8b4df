"""`bench weights list`, `bench weights fetch`, `bench weights import`."""

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from bench.adapters.weights.caches import weights_dir
from bench.adapters.weights.inventory import inventory
from bench.adapters.weights.published import fingerprint
from bench.api.console import console
from bench.api.weights import fetch_weights, import_weights
from bench.reports import wording


def list_() -> None:
    statuses = inventory()
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in ("name", "trained on", "size", "where"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=column == "name")
    for one in statuses:
        size = wording.NOTHING if one.size_bytes is None else wording.bytes_(one.size_bytes)
        style = None if one.available else "dim"
        table.add_row(Text(one.entry.name), Text(one.entry.trained_on), size, one.state, style=style)
    screen = console()
    screen.print(table)
    available = [one for one in statuses if one.available]
    if available:
        screen.print("On this machine:")
    for one in available:
        screen.print(f"  {one.entry.name}: {one.path}")
    missing = [one for one in statuses if not one.available]
    if not missing:
        return
    screen.print(
        "Not on this machine, with the path for each file (bench weights import FILE copies it there):"
    )
    for one in missing:
        for file in one.entry.files:
            screen.print(f"  {file.url}\n    -> {weights_dir() / file.path}")


def fetch(name: str) -> None:
    found = fetch_weights(name, progress=True)
    console().print(f"{name}: {found}")
    console().print(f"sha256 {fingerprint(found)}")


def import_(source: Path, name: str | None) -> None:
    imported = import_weights(source, name=name)
    screen = console()
    screen.print(f"{imported.entry.name}, trained on {imported.entry.trained_on}")
    screen.print(f"imported to {imported.path}" + (", replacing what was there" if imported.replaced else ""))
    screen.print(f"sha256 {imported.sha256}")
