"""`bench predict`."""

from pathlib import Path

import typer

from bench.cli.console import console
from bench.cli.progress import watcher
from bench.predicting import find_images, open_cell
from bench.predicting import predict as draw_and_write
from bench.reports import wording

UNREADABLE = 1
"""Exit code where some picture can't be read."""


def predict(path: Path, asked: list[str], output: Path | None, score: float | None) -> None:
    cell = open_cell(path)
    folder = output or Path("predicted") / cell.name
    images = find_images(asked, besides=folder)
    screen = console()
    with watcher(screen) as view:
        outcome = draw_and_write(cell, images, folder, score=score, tell=view.images)
    for unreadable, why in outcome.unreadable:
        typer.echo(f"bench: {unreadable}: can't be read: {why}", err=True)
    screen.print(
        f"{wording.count(outcome.detections, 'detection')} in {wording.count(outcome.images, 'picture')} "
        f"at score {outcome.score_threshold:.3f} and over; nothing in {outcome.empty} of them"
    )
    screen.print(f"drawn       {outcome.folder}")
    screen.print(f"detections  {outcome.folder / 'detections.json'}, detections.csv")
    if outcome.unreadable:
        raise typer.Exit(UNREADABLE)
