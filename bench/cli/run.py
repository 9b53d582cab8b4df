"""`bench run`."""

import json
import shlex
import sys
from pathlib import Path

import typer
from rich.console import Console

from bench.adapters.weights.download import download_progress
from bench.cli.console import console
from bench.cli.progress import RunView, watcher
from bench.cli.tables import comparison
from bench.config import read_config
from bench.errors import ConfigError
from bench.reports import ranking
from bench.runner import run as running
from bench.runner.run import Outcome
from bench.store import RunFolder

INTERRUPTED = 130
"""What a shell calls a command that Ctrl-C ended."""


def run(
    config_path: Path | None,
    models: str | None,
    overrides: list[str],
    seeds: str | None,
    devices: str | None,
    resume: Path | None,
) -> None:
    screen = console()
    overrides = [*overrides, *named_devices(devices)]
    with watcher(screen) as view, download_progress(view.weights):
        try:
            outcome = _run(view, config_path, models, overrides, seeds, resume)
        except KeyboardInterrupt:
            typer.echo("bench: interrupted", err=True)
            if view.run is not None:
                typer.echo(f"  Go on with: bench run --resume {view.run.root}", err=True)
            raise typer.Exit(INTERRUPTED) from None
    conclude(screen, outcome)


def _run(
    view: RunView,
    config_path: Path | None,
    models: str | None,
    overrides: list[str],
    seeds: str | None,
    resume: Path | None,
) -> Outcome:
    if resume is None:
        config = read_config(config_path, overrides=overrides, models=names(models), seeds=numbers(seeds))
        return running.start(config, view, command=command())
    if config_path or models or overrides or seeds:
        raise ConfigError(
            "goes on with the run's own config",
            record="--resume",
            hint="leave out the other words, or begin a new run with them",
        )
    return running.resume(RunFolder.open(resume), view)


def names(text: str | None) -> list[str]:
    """'a, b' -> ['a', 'b']."""
    if text is None:
        return []
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise ConfigError("names no model", record="--models", value=text)
    return found


def named_devices(text: str | None) -> list[str]:
    """'0,1' -> ['device="cuda:0,1"'], as --set has it; any other word is left to the config."""
    if text is None:
        return []
    gpus = "".join(text.split())
    setting = f"cuda:{gpus}" if gpus.replace(",", "").isdecimal() else gpus
    return [f"device={json.dumps(setting)}"]  # quoted: to YAML, whatever was typed is text


def numbers(text: str | None) -> list[int]:
    """'0,1' -> [0, 1]. Raises ConfigError for anything else."""
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    wrong = [part for part in parts if not part.isdecimal()]
    if wrong:
        raise ConfigError(
            "seeds are whole numbers", record="--seeds", value=wrong[0], hint="write --seeds 0,1,2"
        )
    return [int(part) for part in parts]


def command() -> str:
    """What was typed, as one could type it again."""
    return shlex.join(["bench", *sys.argv[1:]])


def conclude(screen: Console, outcome: Outcome) -> None:
    """The comparison, what failed, where things are; exit code 1 when a cell failed or is invalid."""
    ranked = ranking(outcome.records)
    if ranked:
        screen.print()
        screen.print(comparison(ranked))
    for record in (*outcome.failed, *outcome.invalid):
        reason = record.failure.reason if record.failure else "no reason was recorded"
        screen.print(f"{record.status}: {record.cell}: {reason}", style="red")
        screen.print(f"        log: {outcome.run.cell(record.cell).log_path}")
    screen.print(f"results  {outcome.run.results_path}")
    screen.print(f"report   {outcome.report}")
    if outcome.failed or outcome.invalid:
        screen.print(f"again    bench run --resume {outcome.run.root}")
        raise typer.Exit(1)
