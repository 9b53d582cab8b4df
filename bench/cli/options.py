"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Default: bench.yaml of the current folder, or the embedded default."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, e.g. train.epochs=50. Repeatable."),
]


Jobs = Annotated[
    str | None,
    typer.Option(help="Trainings at the same time; auto: one per GPU, or one per CPU core without a GPU."),
]
