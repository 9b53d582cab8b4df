"""Precision and recall of the shown cells on test, IoU .50: all classes, by class, and over the score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis import ScoreCurve, score_curve
from bench.reports.axes import Axis
from bench.reports.charts import Grid, Line, XYChart, in_rows
from bench.reports.comparison import Contestant
from bench.reports.failures.errors import ModelErrors, SplitErrors
from bench.reports.palette import GROUND_TRUTH, Series, Tone

POINTS, CLASS_POINTS = 100, 30
"""That a curve keeps over all classes, and of one class."""

SCORES = np.arange(101) / 100
"""At which precision, recall and F1 are drawn."""

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)

RATES = tuple(
    Series(label, Tone(-1, light, dark, "#ffffff", "", "o", dashes, css=css))
    for label, light, dark, dashes, css in (
        ("precision", "#0072b2", "#4ba3dd", (), "r-precision"),
        ("recall", "#d55e00", "#f0843c", (6.0, 2.0), "r-recall"),
        ("F1", "#5b6470", "#a0a9b3", (2.0, 2.0), "r-f1"),
    )
)


@dataclass(frozen=True)
class OverScore:
    """One model's rates over the score, and at its own threshold."""

    contestant: Contestant
    chart: XYChart
    threshold: float
    precision: float | None
    recall: float | None
    f1: float | None


def precision_recall(errors: SplitErrors) -> XYChart:
    """All classes together, one line a model."""
    return XYChart(
        title="Precision against recall",
        caption="All classes together, IoU .50, from the highest score down. "
        "The upper right corner is best; a line ends where a model has no more detections.",
        x=_share("recall"),
        y=_share("precision"),
        lines=tuple(_curve(model, score_curve(model.table), POINTS) for model in errors.models),
        key=tuple(model.contestant for model in errors.models),
    )


def by_class(errors: SplitErrors) -> tuple[XYChart, ...]:
    """One small chart a class that has objects, most frequent first."""
    support = errors.table.support
    return tuple(
        XYChart(
            title=f"{errors.table.classes[label]} ({support[label]:,})",
            caption="",
            x=_share("recall"),
            y=_share("precision"),
            lines=tuple(
                _curve(model, score_curve(model.table, label=label), CLASS_POINTS) for model in errors.models
            ),
        )
        for label in np.argsort(-support, kind="stable").tolist()
        if support[label]
    )


def class_grid(errors: SplitErrors) -> Grid:
    """The same in one file."""
    return Grid(
        title="Precision against recall by class",
        caption="IoU .50; in brackets: boxes in the test split",
        rows=in_rows(by_class(errors), 4),
        key=tuple(model.contestant for model in errors.models),
    )


def over_score(errors: SplitErrors) -> list[OverScore]:
    """One chart a model: precision, recall and F1 of the detections from each score on."""
    found = []
    for model in errors.models:
        curve = score_curve(model.table)
        kinds = (curve.precision, curve.recall, curve.f1)
        rates = [_at(curve, values, SCORES) for values in kinds]
        exact = [_at(curve, values, np.array([model.threshold])) for values in kinds]
        lines = tuple(
            Line(series.tone, series.label, tuple(SCORES[known].tolist()), tuple(values[known].tolist()))
            for series, values in zip(RATES, rates, strict=True)
            if (known := np.isfinite(values)).any()
        )
        mark = Line(
            GROUND_TRUTH.tone, "threshold", (model.threshold,) * 2, (0.0, 1.0), dashed=True, rule=True
        )
        chart = XYChart(
            title=model.contestant.label,
            caption="",
            x=_share("score threshold"),
            y=_share(""),
            lines=(*lines, mark),
        )
        values = [float(v[0]) if np.isfinite(v[0]) else None for v in exact]
        found.append(OverScore(model.contestant, chart, model.threshold, *values))
    return found


def _share(label: str) -> Axis:
    return Axis(0.0, 1.0, SHARES, label=label)


def _curve(model: ModelErrors, curve: ScoreCurve, points: int) -> Line:
    """Thinned evenly over recall, its last point kept."""
    recall, precision = curve.recall, curve.precision
    tone, label = model.contestant.tone, model.contestant.label
    if not len(recall):
        return Line(tone, label, (0.0,), (0.0,))
    kept = np.unique(np.searchsorted(recall, np.linspace(0, recall[-1], points)))
    return Line(tone, label, tuple(recall[kept].tolist()), tuple(precision[kept].tolist()))


def _at(curve: ScoreCurve, values: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """`values` of the detections that score at least so much; NaN where there is none."""
    kept = len(curve.scores) - np.searchsorted(curve.scores[::-1], scores, side="left")
    padded = np.append(np.nan, values)
    return np.asarray(padded[kept])
