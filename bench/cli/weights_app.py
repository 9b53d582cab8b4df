"""`bench weights ...`: the commands with their options."""

from pathlib import Path
from typing import Annotated

import typer

weights_app = typer.Typer(no_args_is_help=True, help="Published weights on this machine.")


@weights_app.command("list")
def weights_list() -> None:
    """List published weights: training data, size, and where they are or belong."""
    from bench.cli import weights as command

    command.list_()


@weights_app.command("fetch")
def weights_fetch(
    name: Annotated[
        str, typer.Argument(help="As in `bench weights list`, or ORG/MODEL of the Hugging Face hub.")
    ],
) -> None:
    """Download published weights that are not on this machine. An interrupted download is continued."""
    from bench.cli import weights as command

    command.fetch(name)


@weights_app.command("import")
def weights_import(
    source: Annotated[Path, typer.Argument(metavar="FILE_OR_FOLDER", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Which weights these are, if they are not recognised.")
    ] = None,
) -> None:
    """Check a file, or a folder of the hub, downloaded elsewhere, and copy it to its place."""
    from bench.cli import weights as command

    command.import_(source, name)
