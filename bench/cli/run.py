"""`bench run`."""

from pathlib import Path

import typer
from rich.console import Console

from bench.api import runs
from bench.api.console import console
from bench.cli import arguments
from bench.cli.interrupt import interruptible
from bench.cli.tables import comparison
from bench.config import USUAL_SHARES
from bench.errors import ConfigError
from bench.records import CellRecord
from bench.reports import ranking


def run(
    data: Path | None,
    config_path: Path | None,
    models: str | None,
    overrides: list[str],
    seeds: str | None,
    devices: str | None,
    jobs: str | None,
    resume: Path | None,
    *,
    shares: bool = False,
) -> None:
    if data is not None and (config_path or resume):
        raise ConfigError(
            "takes the place of a config", record=str(data), hint="leave out --config or --resume"
        )
    if shares:
        overrides = [*overrides, f"shares={list(USUAL_SHARES)}"]
    with interruptible():
        if resume is None:
            finished = runs.run(
                data or config_path,
                models=arguments.names(models),
                seeds=arguments.integers(seeds),
                device=arguments.device(devices),
                jobs=arguments.jobs(jobs),
                overrides=overrides,
                progress=True,
                command=arguments.command(),
            )
        elif config_path or models or overrides or seeds or devices:
            raise ConfigError(
                "continues with the run's own config",
                record="--resume",
                hint="leave out the other options (--jobs may change), or begin a new run with them",
            )
        else:
            finished = runs.open(resume).resume(jobs=arguments.jobs(jobs), progress=True)
    _conclude(console(), finished)


def _conclude(screen: Console, run: runs.Run) -> None:
    """Show the comparison, the failures and the files; exit code 1 where a cell failed or is invalid."""
    ranked = ranking(run.records)
    if ranked:
        screen.print()
        screen.print(comparison(ranked))
    for line in run.verdict:
        screen.print(line)
    failed = run.failed
    for record in failed:
        screen.print(failure_line(record), style="red")
        screen.print(f"        log: {run.folder.cell(record.cell).log_path}")
    screen.print(f"results  {run.folder.results_path}")
    screen.print(f"report   {run.folder.report_path}")
    if failed:
        screen.print(f"again    bench run --resume {run.path}")
        raise typer.Exit(1)


def failure_line(record: CellRecord) -> str:
    """'failed: detr-seed0: the reason'."""
    reason = record.failure.reason if record.failure else "no reason was recorded"
    return f"{record.status}: {record.cell}: {reason}"
