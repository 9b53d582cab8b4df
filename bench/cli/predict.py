"""`bench predict`."""

from pathlib import Path

import typer

from bench.api.console import console
from bench.api.prediction import predict as call
from bench.reports import wording

UNREADABLE = 1
"""Exit code where some image can't be read."""


def predict(cell: Path, images: list[str], output: Path | None, score: float | None) -> None:
    outcome = call(cell, images, output=output, score=score, progress=True).outcome
    for unreadable, why in outcome.unreadable:
        typer.echo(f"bench: {unreadable}: can't be read: {why}", err=True)
    screen = console()
    screen.print(
        f"{wording.count(outcome.detections, 'detection')} in {wording.count(outcome.images, 'image')}, "
        f"with a score of at least {outcome.score_threshold:.3f}; none in {outcome.empty} of the images"
    )
    screen.print(f"drawn       {outcome.folder}")
    screen.print(f"detections  {outcome.folder / 'detections.json'}, detections.csv")
    if outcome.unreadable:
        raise typer.Exit(UNREADABLE)
