"""`bench report`."""

from pathlib import Path

import typer

from bench.config import BenchConfig, read_config
from bench.errors import ConfigError
from bench.reports import is_search, search_verdicts, write_report, write_search_report
from bench.store import RunFolder


def report(roots: list[Path], output: Path | None, config_path: Path | None) -> None:
    if any(is_search(root) for root in roots):
        _search(roots, output)
        return
    runs = [RunFolder.open(root) for root in roots] or [_newest(config_path)]
    if output is None and len(runs) > 1:
        output = Path("report.html")
    if output is not None and output.is_dir():
        output = output / "report.html"
    if output is not None and output.suffix != ".html":
        raise ConfigError(
            "is no name for a page", record="--output", value=str(output), hint="end it in .html"
        )
    target = write_report(runs, output or runs[0].report_path)
    typer.echo(f"report  {target}")


def _search(roots: list[Path], output: Path | None) -> None:
    """A search has a page of its own, which stands in its folder and links to that of its final run."""
    if len(roots) > 1 or output is not None:
        raise ConfigError(
            "a search is reported alone, into its own folder",
            value=[str(root) for root in roots] if len(roots) > 1 else str(output),
            hint="name it alone; its final run can stand beside other runs: SEARCH/final",
        )
    target = write_search_report(roots[0])
    for verdict in search_verdicts(roots[0]):
        typer.echo(f"verdict {verdict}")
    typer.echo(f"report  {target}")


def _newest(config_path: Path | None) -> RunFolder:
    config: BenchConfig = read_config(config_path)
    return RunFolder.newest(config.runs)
