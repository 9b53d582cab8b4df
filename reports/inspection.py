"""What the section of curves shows: of the shown cells on test."""

from dataclasses import dataclass

from bench.reports.charts import XYChart
from bench.reports.comparison import Comparison
from bench.reports.confusions import Confusions, confusions
from bench.reports.failures.errors import split_errors
from bench.reports.parts import Parts, parts
from bench.reports.precision_recall import OverScore, by_class, over_score, precision_recall
from bench.reports.reliability import Reliability, reliability


@dataclass(frozen=True)
class Inspection:
    """All of it."""

    precision_recall: XYChart
    by_class: tuple[XYChart, ...]
    over_score: list[OverScore]
    reliability: Reliability
    parts: list[Parts]
    confusions: Confusions


def inspection(comparison: Comparison) -> Inspection | None:
    """None where no predictions are stored."""
    errors = split_errors(comparison)
    if errors is None:
        return None
    return Inspection(
        precision_recall=precision_recall(errors),
        by_class=by_class(errors),
        over_score=over_score(errors),
        reliability=reliability(errors),
        parts=parts(comparison),
        confusions=confusions(errors),
    )
