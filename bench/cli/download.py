"""`bench data download`."""

from dataclasses import replace
from pathlib import Path

import typer
from rich.text import Text

from bench.api.console import console
from bench.api.download import MISSING
from bench.api.download import download as download_dataset
from bench.cli.interrupt import interruptible
from bench.datasets.download import POLITE

SHOWN = 10
"""Missing images that the terminal lists."""


def download(name: str, folder: Path, annotations: Path | None, parallel: int) -> None:
    """Exit code 1 where an image can't be had."""
    with interruptible():
        found = download_dataset(
            name,
            folder,
            annotations=annotations,
            manners=replace(POLITE, parallel=parallel),
            progress=True,
        )
    there = len(found.outcomes) - len(found.gone)
    console().print(f"pictures  {there:,} of {len(found.outcomes):,}, {found.fetched:,} of them new")
    for outcome in found.gone[:SHOWN]:
        console().print(Text(f"gone      {outcome.remote.name}: {outcome.reason}", style="yellow"))
    if found.gone:
        console().print(f"all {len(found.gone):,} that are gone: {folder / MISSING}")
    console().print(f"next      bench data check {folder}")
    if found.gone:
        raise typer.Exit(1)
