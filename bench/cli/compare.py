"""`bench compare`."""

import json
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from bench.api.compare import compare as comparison_of
from bench.api.console import console
from bench.reports.differences import Compared
from bench.reports.wording import share, signed
from bench.statistics import CONFIDENCE

WORSE = 3
"""Exit code where a model is worse than `--fail-if-worse-than` allows."""


def compare(roots: list[Path], figure: str, as_json: bool, fail_if_worse_than: str | None, by: float) -> None:
    found = comparison_of(roots, figure)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        for compared in found.parts:
            _show(console(), compared)
    worse = found.worse_than(fail_if_worse_than, by) if fail_if_worse_than is not None else []
    for item in worse:
        typer.echo(
            f"{item.one} is worse than {item.other} by more than {by:g}: {figure} {signed(item.estimate)} "
            f"({signed(item.low)} to {signed(item.high)})",
            err=True,
        )
    if worse:
        raise typer.Exit(WORSE)


def _show(screen: Console, compared: Compared) -> None:
    for line in compared.verdict.lines:
        screen.print(line)
    intervals = compared.intervals
    if intervals is None:
        screen.print(f"no intervals: {compared.reason}")
        return
    models = Table(title=compared.figure, title_justify="left", box=box.SIMPLE)
    for head in ("model", "mean", "seeds", "rank", "best with probability"):
        models.add_column(head, justify="left" if head == "model" else "right")
    sample = intervals.sample
    for name in intervals.order:
        place = sample.models.index(name)
        low, high = intervals.rank(name)
        models.add_row(
            name,
            share(float(sample.means[place])),
            str(sample.seeds[place]),
            str(low) if low == high else f"{low} to {high}",
            f"{100 * intervals.best_probability[name]:.0f} %",
        )
    screen.print(models)
    pairs = Table(
        title=f"Differences; {100 * CONFIDENCE:.0f} % intervals of all pairs hold at once",
        title_justify="left",
        box=box.SIMPLE,
    )
    for head in ("model", "minus", "difference", "interval", ""):
        pairs.add_column(head, justify="right" if head in ("difference", "interval") else "left")
    for item in intervals.differences:
        finding = "ahead" if item.ahead else f"within {item.margin:g}" if item.equivalent else "can't be told"
        if item.ahead and item.equivalent:
            finding = f"ahead, within {item.margin:g}"
        ends = f"{signed(item.low)} to {signed(item.high)}"
        pairs.add_row(item.one, item.other, signed(item.estimate), ends, finding)
    screen.print(pairs)
