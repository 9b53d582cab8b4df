"""`bench doctor`."""

from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.api import installation
from bench.api.checkup import Examined, examine
from bench.api.console import console
from bench.api.progress import watch
from bench.config import read_config
from bench.reports import wording

MARKS = {True: Text("ok", style="green"), False: Text("NO", style="red"), None: Text(wording.NOTHING)}


def doctor(models: list[str], config_path: Path | None, overrides: list[str]) -> None:
    """As `bench.doctor`, but each finding is shown as soon as it is known."""
    config = read_config(config_path, overrides=overrides, models=models)
    screen = console()
    passed = _show_installation(screen)
    with watch(progress=True):
        for examined in examine(config):
            screen.print(_table(examined))
            if examined.note:
                screen.print(f"  {examined.note}")
            passed = passed and examined.passed
    if not passed:
        raise typer.Exit(1)
    screen.print("All checks passed.")


def _show_installation(screen: Console) -> bool:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    findings = list(installation.findings())
    for finding in findings:
        table.add_row(MARKS[finding.passed], Text(finding.subject), Text(finding.detail))
    screen.print(table)
    return all(finding.passed is not False for finding in findings)


def _table(examined: Examined) -> Table:
    table = Table(title=examined.model, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in ("gate", "passed", "detail"):
        table.add_column(column, overflow="fold")
    table.add_column("seconds", justify="right")
    for gate in examined.gates:
        answer = "no" if not gate.passed else "yes, with a note" if gate.flagged else "yes"
        table.add_row(
            Text(gate.name),
            Text(answer, style="" if gate.passed else "red"),
            Text(gate.detail),
            f"{gate.duration_s:.1f}",
        )
    return table
