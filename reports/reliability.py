"""Do scores mean what they say? Reliability diagrams and calibration errors of the shown cells on test."""

from dataclasses import dataclass

import numpy as np

from bench.analysis import calibration, localisation_recall_precision
from bench.reports.axes import Axis
from bench.reports.charts import Line, XYChart
from bench.reports.comparison import Contestant
from bench.reports.failures.errors import SplitErrors
from bench.reports.palette import GROUND_TRUTH
from bench.reports.wording import NOTHING, share

FLOOR = 0.05
"""Detections below this score are left out, for all models alike."""

BINS = 10
LEAST = 5
"""Detections in a bin from which its precision is drawn."""


@dataclass(frozen=True)
class CalibrationRow:
    """Errors of one model."""

    contestant: Contestant
    d_ece: str
    la_ece: str
    o_lrp: str


@dataclass(frozen=True)
class Reliability:
    """The diagram and the table."""

    chart: XYChart
    rows: tuple[CalibrationRow, ...]


def reliability(errors: SplitErrors) -> Reliability:
    """Of all models, in the order of `errors`."""
    axis = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))
    lines = [Line(GROUND_TRUTH.tone, "perfect", (0.0, 1.0), (0.0, 1.0), dashed=True)]
    rows = []
    for model in errors.models:
        found = calibration(model.table, lowest_score=FLOOR, bins=BINS)
        known = found.counts >= LEAST
        who = model.contestant
        if known.any():
            lines.append(
                Line(
                    who.tone,
                    who.label,
                    tuple(found.mean_scores[known].tolist()),
                    tuple(found.precisions[known].tolist()),
                )
            )
        lrp = [one.error for one in localisation_recall_precision(model.table) if one.error is not None]
        rows.append(
            CalibrationRow(
                who,
                share(found.d_ece),
                share(found.la_ece),
                share(float(np.mean(lrp))) if lrp else NOTHING,
            )
        )
    chart = XYChart(
        title="Reliability",
        caption=f"Precision of detections of about equal score (at least {FLOOR:g}), IoU .50. On the "
        "diagonal a score of .8 is right in 8 of 10 cases; below it the model is too sure.",
        x=axis.named("mean score"),
        y=axis.named("precision"),
        lines=tuple(lines),
        key=(*(model.contestant for model in errors.models),),
    )
    return Reliability(chart, tuple(rows))
