"""`bench verify`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

STYLES = {"ok": "green", "differs": "red", "skipped": "dim"}


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN")],
    as_json: Annotated[bool, typer.Option("--json", help="For scripts, instead of lines.")] = False,
) -> None:
    """Check a stored run: judge its predictions again with pycocotools and torchmetrics, and check its data.

    Also checked: hashes of the data, ground truth against its source, test images in train, histories,
    results.csv, classes.csv and the report. Nothing is written.
    Exit code 0: nothing differs; 1: something does; 2: RUN is no run.
    """
    from bench.api.console import console
    from bench.store import RunFolder
    from bench.verification import verify as checks_of

    found = []
    screen = console()
    for check in checks_of(RunFolder.open(run)):
        found.append(check)
        if not as_json:
            line = f"{check.outcome:8} {check.subject}: {check.name}: {check.detail}"
            screen.print(line, style=STYLES[check.outcome])
    differing = sum(check.outcome == "differs" for check in found)
    skipped = sum(check.outcome == "skipped" for check in found)
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in found], indent=2))
    else:
        screen.print(f"{len(found)} checks: {differing} differ, {skipped} could not be made")
    if differing:
        raise typer.Exit(1)
