"""`bench evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

Named = list[str] | None


def evaluate(
    truth: Annotated[
        Path, typer.Option(metavar="JSON|RUN", help="COCO json of the test split, or a run that has one.")
    ],
    predictions: Annotated[
        list[str],
        typer.Option(metavar="NAME=FILE", help="Also NAME/SEED=FILE; .json, .csv or a folder. Repeatable."),
    ],
    val_truth: Annotated[
        Path | None, typer.Option(metavar="JSON", help="COCO json of the val split. Default: the run's.")
    ] = None,
    val_predictions: Annotated[
        Named, typer.Option(metavar="NAME=FILE", help="On val, to choose the score threshold of F1 there.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Score threshold of precision, recall and F1, in place of val's.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The test images, to show some in the report.")
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="COCO json whose ids the predictions use, if not the truth's."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="RUN", help="Default: runs/evaluate-DATE-TIME."),
    ] = None,
) -> None:
    """Judge predictions of other tools exactly as trained models are, and write a run with its report.

    Predictions: COCO results json, a csv with named columns, or a folder of YOLO txt files with scores.
    Exit code 0: done; 2: the request can't be carried out, or predictions do not fit the ground truth.
    """
    from bench.api.console import console
    from bench.api.evaluate import evaluate as judge
    from bench.cli import arguments
    from bench.cli.tables import comparison
    from bench.reports import ranking

    run = judge(
        truth,
        arguments.named_paths(predictions, "--predictions"),
        val_truth=val_truth,
        val_predictions=arguments.named_paths(val_predictions or [], "--val-predictions"),
        threshold=threshold,
        images=images,
        ids=ids,
        output=output,
        command=arguments.command(),
    )
    screen = console()
    for cell, splits in run.folder.manifest()["predictions"].items():
        for split, read in splits.items():
            screen.print(f"{cell}, {split}: {read['judged']:,} of {read['detections']:,} detections judged")
            for note in read["notes"]:
                screen.print(f"  {note}")
    screen.print()
    screen.print(comparison(ranking(run.records)))
    for line in run.verdict:
        screen.print(line)
    screen.print(f"results  {run.folder.results_path}")
    screen.print(f"report   {run.folder.report_path}")
