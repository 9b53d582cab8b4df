"""`bench search`."""

import shlex
import sys
from pathlib import Path

import typer
from rich.console import Console

from bench.api import searches
from bench.api.console import console
from bench.cli import arguments
from bench.cli.interrupt import interruptible
from bench.cli.run import failure_line
from bench.cli.tables import best_settings
from bench.errors import ConfigError
from bench.searching.storage import without_password

STORAGE = "search.storage="
"""The storage as --set names it."""


def search(
    config_path: Path | None,
    models: str | None,
    overrides: list[str],
    trials: int | None,
    seeds: str | None,
    jobs: str | None,
    storage: str | None,
    final: bool,
    resume: Path | None,
) -> None:
    numbers, command = arguments.integers(seeds), _command(storage)
    with interruptible():
        if resume is None:
            finished = searches.search(
                config_path,
                models=arguments.names(models),
                trials=trials,
                seeds=numbers,
                jobs=arguments.jobs(jobs),
                storage=storage,
                final=final,
                overrides=overrides,
                progress=True,
                command=command,
            )
        elif config_path or models or overrides:
            raise ConfigError(
                "continues with the search's own config",
                record="--resume",
                hint="leave out the other options (--trials, --seeds and --jobs may change), or begin a new "
                "search",
            )
        else:
            finished = searches.open_search(resume).resume(
                trials=trials,
                seeds=numbers,
                jobs=arguments.jobs(jobs),
                storage=storage,
                final=final,
                progress=True,
                command=command,
            )
    _conclude(console(), finished, final=final)


def _command(storage: str | None) -> str:
    """What was typed, without the storage's password."""
    typed = [word.replace(storage, without_password(storage)) if storage else word for word in sys.argv[1:]]
    safe = [
        f"{STORAGE}{without_password(word.removeprefix(STORAGE))}" if word.startswith(STORAGE) else word
        for word in typed
    ]
    return shlex.join(["bench", *safe])


def _conclude(screen: Console, search: searches.Search, *, final: bool) -> None:
    """Show the best settings, the verdicts and the files; exit code 1 where a final cell has no figures."""
    screen.print()
    screen.print(best_settings(search.record))
    for line in search.verdicts:
        screen.print(line)
    screen.print(f"search   {search.folder.record_path}")
    screen.print(f"best     {search.folder.best_path}  (bench run -c repeats the comparison)")
    screen.print(f"report   {search.report().path}")
    run = search.final if final else None
    failed = run.failed if run else []
    for record in failed:
        screen.print(failure_line(record), style="red")
    if failed:
        screen.print(f"again    bench search --resume {search.path}")
        raise typer.Exit(1)
