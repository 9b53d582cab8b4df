"""The comparison as a table for the terminal: what a line of 80 columns can hold of the report's ranking."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from bench.reports import Ranked
from bench.reports.columns import COLUMNS, Column
from bench.reports.wording import NOTHING

SHOWN = {
    "ap": "test AP",
    "ap50": "AP50",
    "f1": "F1",
    "parameters": "params",
    "latency": "ms/image",
    "training": "training",
    "memory": "memory",
}
"""Key of a column of the report -> its head here."""

WITH_SPREAD = "ap"


def comparison(ranked: Sequence[Ranked]) -> Table:
    """Best test AP first; means over seeds, AP with its standard deviation where there are several."""
    several = any(len(row.done) > 1 for row in ranked)
    finals = [record.final for row in ranked for record in row.done]
    what = "test AP of the final trainings" if finals and all(finals) else "test AP"
    title = f"Ranked by {what}" + (" (means over seeds, ± standard deviation)" if several else "")
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", justify="right")
    table.add_column("model", overflow="fold")
    if several:
        table.add_column("seeds", justify="right")
    columns = [column for column in COLUMNS if column.key in SHOWN]
    for column in columns:
        table.add_column(SHOWN[column.key], justify="right", no_wrap=True)
    for row in ranked:
        cells = [Text(NOTHING if row.place is None else str(row.place)), Text(row.model)]
        if several:
            cells.append(Text(str(len(row.done))))
        cells += [_cell(row, column) for column in columns]
        table.add_row(*cells, style="bold" if row.place == 1 else None)
    return table


def _cell(row: Ranked, column: Column) -> Text:
    spread = row.spread(column.figure)
    text = column.write(spread.mean if spread else None)
    if spread and column.key == WITH_SPREAD and spread.sd is not None:
        text += f" ± {spread.sd:.3f}"
    return Text(text)
