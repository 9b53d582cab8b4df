"""The comparison as a table for the terminal."""

from collections.abc import Callable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from bench.cli.progress import clock
from bench.records import CellRecord
from bench.reports import Ranked

Read = Callable[[CellRecord], float | None]

COLUMNS: tuple[tuple[str, Read, Callable[[float], str]], ...] = (
    ("test AP", lambda r: r.test and r.test.coco.AP, "{:.3f}".format),
    ("AP50", lambda r: r.test and r.test.coco.AP50, "{:.3f}".format),
    ("val AP", lambda r: r.val and r.val.coco.AP, "{:.3f}".format),
    ("F1", lambda r: r.test and r.test.operating_point.f1, "{:.3f}".format),
    ("Mparams", lambda r: r.description and r.description.parameters / 1e6, "{:.2f}".format),
    ("ms/image", lambda r: r.efficiency and r.efficiency.latency_ms, "{:.1f}".format),
    ("images/s", lambda r: r.efficiency and r.efficiency.images_per_s, "{:.1f}".format),
    ("training", lambda r: r.training and r.training.duration_s, clock),
    ("peak MiB", lambda r: r.efficiency and r.efficiency.peak_memory_mib, "{:.0f}".format),
)
SPREAD = ("test AP", "AP50", "val AP", "F1")
"""Columns whose standard deviation over seeds is shown where there are several."""


def comparison(ranked: Sequence[Ranked]) -> Table:
    """Best test AP first; means over seeds, with their standard deviation where there are several."""
    several = any(len(row.done) > 1 for row in ranked)
    table = Table(
        title="Ranked by test AP" + (" (mean ± sd over seeds)" if several else ""),
        title_justify="left",
        box=box.SIMPLE,
    )
    table.add_column("", justify="right")
    table.add_column("model")
    if several:
        table.add_column("seeds", justify="right")
    for name, _, _ in COLUMNS:
        table.add_column(name, justify="right")
    for row in ranked:
        cells = [Text("–" if row.place is None else str(row.place)), Text(row.model)]
        if several:
            cells.append(Text(str(len(row.done))))
        cells += [_cell(row, name, read, write) for name, read, write in COLUMNS]
        table.add_row(*cells, style="bold" if row.place == 1 else None)
    return table


def _cell(row: Ranked, name: str, read: Read, write: Callable[[float], str]) -> Text:
    spread = row.spread(read)
    if spread is None:
        return Text("–")
    text = write(spread.mean)
    if name in SPREAD and spread.sd is not None:
        text += f" ± {spread.sd:.3f}"
    return Text(text)
