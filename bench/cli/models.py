"""`bench models`."""

from rich.table import Table
from rich.text import Text

from bench.api.console import console
from bench.api.models import models as all_models


def models() -> None:
    table = Table(box=None, header_style="bold")
    for column in ("family", "variant", "description"):
        table.add_column(column)
    above = None
    for family, variant, text in all_models().itertuples(index=False):
        table.add_row("" if family == above else family, Text(variant), Text(text))
        above = family
    console().print(table)
