"""The command line: the commands with their options, and the exit code of a mistake."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench import __version__
from bench.cli import evaluate, verify
from bench.cli.data_app import data_app
from bench.cli.options import Config, Jobs, Overrides
from bench.cli.weights_app import weights_app
from bench.errors import BenchError

app = typer.Typer(
    name="bench",
    help="On my data, which detector should I use, and how sure am I?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(no_args_is_help=True, help="The schema of bench.yaml.")
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
app.add_typer(config_app, name="config")


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
    data: Annotated[
        Path | None,
        typer.Argument(metavar="[DATA]", help="A folder of data, in place of a config.", show_default=False),
    ] = None,
    config: Config = None,
    models: Annotated[
        str | None,
        typer.Option(help="Comma-separated: names in the config, families, or family:variant."),
    ] = None,
    overrides: Overrides = None,
    seeds: Annotated[str | None, typer.Option(help="Comma-separated integers, e.g. 0,1,2.")] = None,
    devices: Annotated[
        str | None,
        typer.Option(
            help="GPUs, e.g. 0,1: all train each model, or --jobs share them; or any value of `device`."
        ),
    ] = None,
    jobs: Jobs = None,
    shares: Annotated[
        bool,
        typer.Option(
            "--shares",
            help="Also train on 10, 25 and 50 % of train: the report says what more images would bring.",
        ),
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Continue an interrupted run, or one with failed cells."),
    ] = None,
) -> None:
    """Train and judge every model with every seed, and write the report.

    Exit code 0: every cell is done; 1: some cell failed or is invalid (the others are in the report);
    2: the request can't be carried out.
    """
    from bench.cli import run as command

    command.run(data, config, models, overrides or [], seeds, devices, jobs, resume, shares=shares)


@app.command()
def search(
    config: Config = None,
    models: Annotated[
        str | None,
        typer.Option(help="Comma-separated: names in the config, families, or family:variant."),
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="For each model. Default: 40.")] = None,
    overrides: Overrides = None,
    jobs: Jobs = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Optuna storage shared by several machines: postgresql://USER@HOST/DATABASE."
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Of the final trainings. Default: three fresh ones.")
    ] = None,
    final: Annotated[
        bool,
        typer.Option(
            "--final/--no-final",
            help="Train the best and the standard settings again, and score them on test.",
        ),
    ] = True,
    resume: Annotated[
        Path | None, typer.Option(metavar="SEARCH", help="Continue an interrupted search, or add trials.")
    ] = None,
) -> None:
    """Search for each model's best settings on val, and compare them with the standard ones on test.

    Exit code 0: everything is done; 1: some cell of the final run failed or is invalid; 2: the request can't
    be carried out, no trial has a value, or the storage can't be reached.
    """
    from bench.cli import search as command

    command.search(config, models, overrides or [], trials, seeds, jobs, storage, final, resume)


@app.command()
def report(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="[RUN ...]", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: report.html in the run's folder.")
    ] = None,
    config: Config = None,
    all_pictures: Annotated[
        bool, typer.Option("--all-pictures", help="Also write every test picture, with filters.")
    ] = False,
) -> None:
    """Write the report of a run (default: the newest), of several runs on one page, or of a search."""
    from bench.cli import report as command

    command.report(runs or [], output, config, all_pictures)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN ...")],
    figure: Annotated[
        str, typer.Option(help="AP, AP50, AP_rare, AP_small, precision, recall, f1, AP/CLASS ...")
    ] = "AP",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts, instead of tables.")] = False,
    fail_if_worse_than: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Exit with 3 where another model is worse than it.")
    ] = None,
    by: Annotated[
        float, typer.Option(min=0, help="By more than this, as far as the 95 % interval shows it.")
    ] = 0.0,
) -> None:
    """Show all differences between the models of one or more runs, with intervals over test images and seeds.

    Exit code 0: done; 2: the request can't be carried out; 3: a model is worse than --fail-if-worse-than
    by more than --by.
    """
    from bench.cli import compare as command

    command.compare(runs, figure, as_json, fail_if_worse_than, by)


app.command()(evaluate.evaluate)
app.command()(verify.verify)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="PATH", help="A folder of images and annotations.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("bench.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Inspect a folder of data, and write a commented bench.yaml for it."""
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
            metavar="[MODEL ...]",
            help="Names in the config, families, or family:variant.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Check the installation, and run the gates of every model without training it.

    Exit code 0: all checks passed; 1: a version is too old, or a model does not pass its gates; 2: the
    request can't be carried out.
    """
    from bench.cli import doctor as command

    command.doctor(models or [], config, overrides or [])


@app.command()
def predict(
    cell: Annotated[
        Path,
        typer.Argument(metavar="RUN/CELL", help="A model of a run: one of its cells.", show_default=False),
    ],
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE ...", help="Files, folders or patterns.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: predicted/CELL in the current folder.")
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Lowest score. Default: the threshold chosen on val."),
    ] = None,
) -> None:
    """Detect objects in images with a trained model: draw them, and write detections.json and .csv.

    Exit code 0: everything is done; 1: some image can't be read (the others are done); 2: the request can't
    be carried out.
    """
    from bench.cli import predict as command

    command.predict(cell, images, output, score)


@config_app.command()
def schema() -> None:
    """Print the JSON schema of bench.yaml, for editors."""
    import json

    from bench.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def main() -> int:
    """Run a command; a user's mistake gives a message and exit code 2, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # class names in a terminal without Unicode
    try:
        app()
    except BenchError as error:
        typer.echo(f"bench: {error}", err=True)
        return error.exit_code
    return 0
