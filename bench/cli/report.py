"""`bench report`."""

from pathlib import Path

import typer

from bench.api.report import report as write
from bench.reports import is_search, search_verdicts


def report(roots: list[Path], output: Path | None, config_path: Path | None) -> None:
    page = write(roots, output=output, config=config_path)
    if roots and is_search(roots[0]):
        for verdict in search_verdicts(roots[0]):
            typer.echo(f"verdict {verdict}")
    typer.echo(f"report  {page.path}")
