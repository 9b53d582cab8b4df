"""`bench data check`."""

import json
from importlib import resources
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import files
from bench.api.console import console
from bench.api.data import check
from bench.datasets.checks import Report
from bench.datasets.checks.finding import Example
from bench.datasets.checks.page import render

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}

_SHOWN = 3
"""Examples of a finding in the terminal; all that are kept are in the JSON and on the page."""


def data_check(
    folder: Path | None,
    config_path: Path | None,
    overrides: list[str],
    images: Path | None,
    annotations: Path | None,
    group: str | None,
    known: Path | None,
    trained: Path | None,
    as_json: bool,
    output: Path | None,
) -> None:
    """Check, print, and exit with the report's code."""
    screen = Console(quiet=True) if as_json else console()
    report = check(
        folder,
        config_path,
        images=images,
        annotations=annotations,
        group=group,
        known=known,
        trained=trained,
        overrides=overrides,
        progress=not as_json,
    )
    if output is not None:
        css = resources.files("bench.reports.templates").joinpath("page.css").read_text(encoding="utf-8")
        files.write_text(output, render(report, css))
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        show(screen, report)
        if output is not None:
            screen.print(f"page      {output}")
    raise typer.Exit(report.exit_code)


def show(screen: Console, report: Report) -> None:
    """The findings, worst first, and the classes."""
    screen.print(
        f"{report.path}: {report.format}, {report.images:,} pictures, {report.boxes:,} boxes, "
        f"{len(report.classes)} classes"
        + "".join(f", {split} {count:,}" for split, count in report.splits.items())
    )
    for finding in report.findings:
        screen.print()
        line = Text(f"{finding.severity:<8}", style=_STYLES[finding.severity])
        line.append(finding.title, style="default")
        screen.print(line)
        for example in finding.examples[:_SHOWN]:
            screen.print(Text(f"          {_line(example)}", style="dim"))
        if finding.count > _SHOWN:
            screen.print(Text(f"          and {finding.count - _SHOWN:,} more", style="dim"))
        screen.print(Text(f"          Hint: {finding.hint}"))
    if report.missing_boxes:
        screen.print()
        screen.print(_classes(report))
    count = {severity: len(report.of(severity)) for severity in ("error", "warning", "info")}
    screen.print()
    screen.print(f"{count['error']} errors, {count['warning']} warnings, {count['info']} for information")


def _line(example: Example) -> str:
    text = ", ".join(part for part in (example.image, example.record, example.detail) if part)
    return text if len(text) <= 300 else text[:297] + "..."


def _classes(report: Report) -> Table:
    table = Table(title="Boxes by class", title_justify="left", box=box.SIMPLE)
    table.add_column("class")
    for head in ("there", "in missing pictures", *(["of these unknown"] if report.known else [])):
        table.add_column(head, justify="right")
    for row in report.classes:
        counts = [row.boxes, row.missing, *([row.unknown] if report.known else [])]
        table.add_row(Text(row.name), *(f"{count:,}" for count in counts))
    return table
