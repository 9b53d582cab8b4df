"""`bench report`."""

from pathlib import Path

import typer

from bench.api.report import report as write
from bench.reports import is_search, search_verdicts


def report(
    roots: list[Path], output: Path | None, config_path: Path | None, all_pictures: bool = False
) -> None:
    page = write(roots, output=output, config=config_path, all_pictures=all_pictures)
    if roots and is_search(roots[0]):
        for verdict in search_verdicts(roots[0]):
            typer.echo(f"verdict {verdict}")
    if all_pictures and not is_search(page.path.parent):
        for folder in sorted(page.path.parent.glob("*all-pictures")):
            typer.echo(f"pictures {folder / 'index.html'}")
    typer.echo(f"report  {page.path}")
