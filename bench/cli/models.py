"""`bench models`."""

from rich.table import Table
from rich.text import Text

from bench import registry
from bench.cli.console import console


def models() -> None:
    table = Table(box=None, header_style="bold")
    for column in ("family", "variant", "what it is"):
        table.add_column(column)
    for name in registry.detector_names():
        for number, (variant, line) in enumerate(registry.family(name).variants.items()):
            table.add_row("" if number else name, Text(variant), Text(line))
    console().print(table)
