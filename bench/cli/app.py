"""The command line: every command with its options, and the exit code of a mistake."""

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench import __version__
from bench.cli import evaluate, verify
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
weights_app = typer.Typer(no_args_is_help=True, help="Published weights on this machine.")
config_app = typer.Typer(no_args_is_help=True, help="About bench.yaml.")
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
app.add_typer(config_app, name="config")

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
    typer.Option(help="Trainings that go on at the same time, or auto: one a GPU, on a CPU one a core."),
]


class DataFormat(StrEnum):
    """What `bench data convert` can write."""

    coco = "coco"
    yolo = "yolo"
    voc = "voc"
    csv = "csv"


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
) -> None:
    """Write the report of a run (default: the newest), of several runs on one page, or of a search."""
    from bench.cli import report as command

    command.report(runs or [], output, config)


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


@data_app.command()
def convert(
    config: Config = None,
    overrides: Overrides = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="A new folder. Default: the cache.")
    ] = None,
    to: Annotated[DataFormat, typer.Option("--to", help="What to write into --output.")] = DataFormat.coco,
    copy: Annotated[bool, typer.Option("--copy", help="Copy pictures; default: relative links.")] = False,
    encode: Annotated[bool, typer.Option("--encode", help="Re-encode all pictures, upright, 8-bit.")] = False,
    long_side: Annotated[
        int | None, typer.Option(min=16, help="Resize to this long side in pixels, boxes too.")
    ] = None,
    square: Annotated[bool, typer.Option("--square", help="With --long-side: pad to a square.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Also apply the repairs that need no judgement.")
    ] = False,
) -> None:
    """Read, check, repair and split the data; write layouts to the cache, or one format to a folder."""
    from bench.cli import data as command

    command.convert(
        config,
        [*(overrides or []), *(["data.repair=true"] if repair else [])],
        output,
        to.value,
        "encode" if encode else "copy" if copy else "link",
        command.resize_of(long_side, square),
    )


@data_app.command()
def download(
    name: Annotated[str, typer.Argument(metavar="DATASET", help="taco", show_default=False)],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put it.", show_default=False)],
    annotations: Annotated[
        Path | None, typer.Option(help="A COCO json with addresses. Default: the official one.")
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Connections at a time.")] = 4,
) -> None:
    """Download a public dataset's pictures, each checked; an interrupted download is continued.

    Exit code 0: all are there; 1: some can't be had (missing.csv lists them); 2: the request can't be carried
    out.
    """
    from bench.cli import download as command

    command.download(name, folder, annotations, parallel)


@data_app.command("check")
def data_check(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="A dataset's folder. Default: bench.yaml's data.")
    ] = None,
    config: Config = None,
    overrides: Overrides = None,
    images: Annotated[Path | None, typer.Option(help="The pictures' folder, if it is not PATH.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="The annotation file, relative to PATH.")] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Which pictures belong together: roboflow, folder, or a regular expression."),
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(help="A COCO json or a text file that names all pictures that exist somewhere."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write an HTML page with thumbnails.")
    ] = None,
) -> None:
    """Report what is wrong with a dataset: files, boxes, classes and splits. Nothing is changed.

    Exit code 0: nothing worse than information; 1: warnings; 2: errors.
    """
    from bench.cli import data_check as command

    command.data_check(folder, config, overrides or [], images, annotations, group, known, as_json, output)


@data_app.command()
def describe(
    config: Config = None,
    overrides: Overrides = None,
    figure: Annotated[
        Path | None, typer.Option(help="File of the figure (.svg, .png or .pdf). Default: beside the layout.")
    ] = None,
) -> None:
    """Print the class distribution of each split, and draw it."""
    from bench.cli import data as command

    command.describe(config, overrides or [], figure)


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
    """Check a file, or a folder of the hub, that came another way, and copy it to its place."""
    from bench.cli import weights as command

    command.import_(source, name)


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
