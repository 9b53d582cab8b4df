"""`bench report`."""

from pathlib import Path

import typer

from bench.config import BenchConfig, read_config
from bench.errors import ConfigError
from bench.reports import write_report
from bench.store import RunFolder


def report(roots: list[Path], output: Path | None, config_path: Path | None) -> None:
    runs = [RunFolder.open(root) for root in roots] or [_newest(config_path)]
    if output is None and len(runs) > 1:
        output = Path("report.html")
    if output is not None and output.is_dir():
        output = output / "report.html"
    if output is not None and output.suffix != ".html":
        raise ConfigError(
            "is no name for a page", record="--output", value=str(output), mend="end it in .html"
        )
    target = write_report(runs, output or runs[0].report_path)
    typer.echo(f"report  {target}")


def _newest(config_path: Path | None) -> RunFolder:
    config: BenchConfig = read_config(config_path)
    return RunFolder.newest(config.runs)
