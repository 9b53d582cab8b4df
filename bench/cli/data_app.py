"""`bench data ...`: the commands with their options."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import Config, Overrides

data_app = typer.Typer(no_args_is_help=True, help="Check, convert and describe data, without training.")


class DataFormat(StrEnum):
    """What `bench data convert` can write."""

    coco = "coco"
    yolo = "yolo"
    voc = "voc"
    csv = "csv"


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
    trained: Annotated[
        Path | None,
        typer.Option("--with", metavar="RUN", help="Add what a run's models say of the labels."),
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

    command.data_check(
        folder, config, overrides or [], images, annotations, group, known, trained, as_json, output
    )


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
