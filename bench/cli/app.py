"""The command line: every command, its words, and what a person is told when something is wrong."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench import __version__
from bench.errors import BenchError

app = typer.Typer(
    name="bench",
    help="On my data, which detector should I use, and how sure am I?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(no_args_is_help=True, help="Convert and describe data, without training.")
weights_app = typer.Typer(no_args_is_help=True, help="Published weights, and where they lie.")
config_app = typer.Typer(no_args_is_help=True, help="About bench.yaml.")
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
app.add_typer(config_app, name="config")

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Default: bench.yaml of this folder, or the embedded default."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a word, e.g. train.epochs=50. Repeatable."),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: Config = None,
    models: Annotated[
        str | None,
        typer.Option(help="Comma-separated: names in the file, families, or family:variant."),
    ] = None,
    overrides: Overrides = None,
    seeds: Annotated[str | None, typer.Option(help="Comma-separated, e.g. 0,1,2.")] = None,
    devices: Annotated[
        str | None,
        typer.Option(help="GPUs that train each model together, e.g. 0,1; or a word for `device`."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Finish what a killed or partly failed run has left.")
    ] = None,
) -> None:
    """Train and judge every model x seed, and write the report.

    Exit code 0: every cell is done; 1: some cell failed or is invalid (the others are in the report);
    2: a mistake in what was asked.
    """
    from bench.cli import run as command

    command.run(config, models, overrides or [], seeds, devices, resume)


@app.command()
def search(
    config: Config = None,
    models: Annotated[
        str | None,
        typer.Option(help="Comma-separated: names in the file, families, or family:variant."),
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Of every model. Default: 40.")] = None,
    overrides: Overrides = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials at a time, each in processes of its own.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Optuna's, for several machines: postgresql://USER@HOST/BASE."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Of the final trainings. Default: 0,1,2.")] = None,
    final: Annotated[
        bool,
        typer.Option("--final/--no-final", help="Train best and standard again, and score them on test."),
    ] = True,
    resume: Annotated[
        Path | None, typer.Option(metavar="SEARCH", help="Go on with a search that was left.")
    ] = None,
) -> None:
    """Search for each model's best setting on val, and compare it with the standard one on test.

    Exit code 0: all is done; 1: some cell of the final run failed or is invalid; 2: a mistake in what was
    asked, no trial with a value, or a storage that can't be reached.
    """
    from bench.cli import search as command
    from bench.searching.search import Asked

    asked = Asked(command=command.command(storage), storage=storage, workers=workers, final=final)
    command.search(config, models, overrides or [], trials, seeds, asked, resume)


@app.command()
def report(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="[RUN ...]", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: report.html in the run.")
    ] = None,
    config: Config = None,
) -> None:
    """Write the report of a run (the newest if none is named), of several in one, or of a search."""
    from bench.cli import report as command

    command.report(runs or [], output, config)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="PATH", help="A folder of pictures and boxes.")],
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("bench.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Look at a folder of data and write a commented bench.yaml for it."""
    from bench.cli import data as command

    command.init(folder, output, force)


@app.command()
def models() -> None:
    """List the model families and their variants."""
    from bench.cli import models as command

    command.models()


@app.command()
def doctor(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL ...]", help="Names in the file, families, or family:variant.", show_default=False
        ),
    ] = None,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Look over the installation, and ask the gates of every model without training it.

    Exit code 0: all is well; 1: a version is too old, or a model does not pass; 2: a mistake in what was
    asked.
    """
    from bench.cli import doctor as command

    command.doctor(models or [], config, overrides or [])


@data_app.command()
def convert(config: Config = None, overrides: Overrides = None) -> None:
    """Read, check, repair, split, and write the COCO and YOLO layouts."""
    from bench.cli import data as command

    command.convert(config, overrides or [])


@data_app.command()
def describe(
    config: Config = None,
    overrides: Overrides = None,
    figure: Annotated[
        Path | None, typer.Option(help="Where to draw it (.svg or .png). Default: beside the layout.")
    ] = None,
) -> None:
    """Print and draw the class distribution of each split."""
    from bench.cli import data as command

    command.describe(config, overrides or [], figure)


@app.command()
def predict(
    cell: Annotated[Path, typer.Argument(metavar="RUN/CELL", show_default=False)],
    images: Annotated[
        list[str],
        typer.Argument(metavar="PICTURE ...", help="Files, folders or patterns.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: predicted/CELL in this folder.")
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Lowest score. Default: the threshold that was chosen on val."),
    ] = None,
) -> None:
    """Draw what a trained model finds in pictures, and write it as detections.json and detections.csv.

    Exit code 0: all is drawn; 1: some picture can't be read (the others are drawn); 2: a mistake in what
    was asked.
    """
    from bench.cli import predict as command

    command.predict(cell, images, output, score)


@weights_app.command("list")
def weights_list() -> None:
    """List published weights: what they were trained on, their size, and where they lie or belong."""
    from bench.cli import weights as command

    command.list_()


@weights_app.command("fetch")
def weights_fetch(
    name: Annotated[str, typer.Argument(help="As bench weights list says, or ORG/MODEL of the hub.")],
) -> None:
    """Download published weights, unless they are here. What broke off is gone on with."""
    from bench.cli import weights as command

    command.fetch(name)


@weights_app.command("import")
def weights_import(
    source: Annotated[Path, typer.Argument(metavar="FILE_OR_FOLDER", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Which these are, if that can't be told.")] = None,
) -> None:
    """Check a file, or a folder of the hub, that came by other ways, and put it where it is looked for."""
    from bench.cli import weights as command

    command.import_(source, name)


@config_app.command()
def schema() -> None:
    """Print the JSON schema of bench.yaml, for editors."""
    import json

    from bench.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def main() -> int:
    """Run a command; a user's mistake is a message and exit code 2, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of classes in a terminal without Unicode
    try:
        app()
    except BenchError as error:
        typer.echo(f"bench: {error}", err=True)
        return error.exit_code
    return 0
