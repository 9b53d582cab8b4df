"""`bench.evaluate`: predictions of other tools, judged as trained models are."""

import os
from collections.abc import Mapping
from pathlib import Path

from bench import external
from bench.api import call
from bench.api.runs import Run

PathLike = str | os.PathLike[str]


def evaluate(
    truth: PathLike,
    predictions: Mapping[str, PathLike],
    *,
    val_truth: PathLike | None = None,
    val_predictions: Mapping[str, PathLike] | None = None,
    threshold: float | None = None,
    images: PathLike | None = None,
    ids: PathLike | None = None,
    output: PathLike | None = None,
    command: str | None = None,
) -> Run:
    """Judge predictions of other tools, and return them as a run. docs/evaluate.md has the formats.

    Args:
        truth: a COCO json of the test split, or a run, whose ground truth is taken.
        predictions: model -> its predictions: COCO results json, csv, or a folder of YOLO txt files with
            scores. 'mine/0', 'mine/1' ... for several seeds of a model.
        val_truth: a COCO json of the val split; not needed where `truth` is a run.
        val_predictions: the same names; val's best score threshold is then used on test. Without them and
            without `threshold`, precision, recall and F1 are left out: nothing is chosen on test.
        threshold: a score threshold in place of val's best.
        images: the folder of the test images, to show some in the report.
        ids: the COCO json whose image and category ids the predictions use, if they are not those of `truth`.
        output: the new run folder. Default: runs/evaluate-DATE-TIME.
        command: what the run's record says made it. Default: this call.

    Raises:
        ConfigError: a wrong name, or `output` exists.
        DataError: the ground truth can't be judged.
        RunError: predictions can't be read, or do not fit the ground truth.
    """
    request = external.Request(
        truth=Path(truth),
        predictions={name: Path(path) for name, path in predictions.items()},
        val_truth=None if val_truth is None else Path(val_truth),
        val_predictions={name: Path(path) for name, path in (val_predictions or {}).items()},
        threshold=threshold,
        images=None if images is None else Path(images),
        ids=None if ids is None else Path(ids),
    )
    command = command or call.as_text("evaluate", os.fspath(truth), dict(predictions))
    into = None if output is None else Path(output)
    return Run.of(external.evaluate(request, runs=Path("runs"), into=into, command=command))
