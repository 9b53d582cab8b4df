"""`bench search`."""

import shlex
import sys
from pathlib import Path

import typer
from rich.console import Console

from bench import reports
from bench.adapters.weights.download import download_progress
from bench.cli.console import console
from bench.cli.run import INTERRUPTED, names, numbers
from bench.cli.search_view import SearchView, best_settings, search_watcher
from bench.config import read_config
from bench.errors import ConfigError
from bench.searching import search as searching
from bench.searching.folder import SearchFolder
from bench.searching.search import Asked, SearchOutcome
from bench.searching.storage import shown

STORAGE = "search.storage="
"""How --set would name it."""


def search(
    config_path: Path | None,
    models: str | None,
    overrides: list[str],
    trials: int | None,
    seeds: str | None,
    asked: Asked,
    resume: Path | None,
) -> None:
    screen = console()
    overrides = [*overrides, *_words(trials, seeds)]
    with search_watcher(screen) as view, download_progress(view.weights):
        try:
            outcome = _search(view, config_path, models, overrides, asked, resume)
        except KeyboardInterrupt:
            typer.echo("bench: interrupted", err=True)
            if view.folder is not None:
                typer.echo(f"  Go on with: bench search --resume {view.folder.root}", err=True)
            raise typer.Exit(INTERRUPTED) from None
    conclude(screen, outcome)


def command(storage: str | None) -> str:
    """What was typed, as one could type it again; the storage without its password."""
    words = [word.replace(storage, shown(storage)) if storage else word for word in sys.argv[1:]]
    told = [
        f"{STORAGE}{shown(word.removeprefix(STORAGE))}" if word.startswith(STORAGE) else word
        for word in words
    ]
    return shlex.join(["bench", *told])


def _search(
    view: SearchView,
    config_path: Path | None,
    models: str | None,
    overrides: list[str],
    asked: Asked,
    resume: Path | None,
) -> SearchOutcome:
    if resume is None:
        config = read_config(config_path, overrides=overrides, models=names(models))
        return searching.start(config, view, asked)
    other = [word for word in overrides if not word.startswith(("search.trials=", "search.seeds="))]
    if config_path or models or other:
        raise ConfigError(
            "goes on with the search's own config",
            record="--resume",
            hint="leave out the other words (--trials and --seeds may change), or begin a new search",
        )
    return searching.resume(SearchFolder.open(resume), view, asked, tuple(overrides))


def _words(trials: int | None, seeds: str | None) -> list[str]:
    words = [] if trials is None else [f"search.trials={trials}"]
    return words if seeds is None else [*words, f"search.seeds={numbers(seeds)}"]


def conclude(screen: Console, outcome: SearchOutcome) -> None:
    """The best settings, the verdicts, where things are; exit code 1 when a final cell has no figures."""
    folder, record = outcome.folder, outcome.record
    screen.print()
    screen.print(best_settings(record))
    for line in reports.search_verdicts(folder.root):
        screen.print(line)
    screen.print(f"search   {folder.record_path}")
    screen.print(f"best     {folder.best_path}  (bench run -c repeats the comparison)")
    screen.print(f"report   {reports.write_search_report(folder.root)}")
    failed = outcome.final.failed + outcome.final.invalid if outcome.final else ()
    for cell in failed:
        reason = cell.failure.reason if cell.failure else "no reason was recorded"
        screen.print(f"{cell.status}: {cell.cell}: {reason}", style="red")
    if failed:
        screen.print(f"again    bench search --resume {folder.root}")
        raise typer.Exit(1)
