"""Figures by class: AP with support, and how often a class is predicted against how often it occurs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.records import CellRecord, ClassFigures
from bench.reports import wording
from bench.reports.axes import Axis, linear
from bench.reports.charts import ChartRow, Dot, RowChart
from bench.reports.comparison import Comparison, Contestant
from bench.reports.palette import GROUND_TRUTH
from bench.reports.parts import estimates, interval
from bench.reports.ranking import Spread
from bench.statistics import Estimate

AP_AXIS = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), label="AP, test split (IoU .50:.95)")


@dataclass(frozen=True)
class ClassScores:
    """One class on test; one entry a model with a finished cell, in the order of the ranking."""

    index: int  # the class index
    name: str
    support: int  # ground-truth boxes
    rare: bool
    ap: tuple[Spread | None, ...]
    ap50: tuple[Spread | None, ...]
    detections: tuple[Spread | None, ...]  # at the operating threshold
    estimates: tuple[Estimate | None, ...] = ()  # of AP, with 95 % intervals where they are known


def class_scores(comparison: Comparison) -> list[ClassScores]:
    """Most frequent class first; classes of equal support in the order of their index."""
    tested = [record for record in comparison.records if record.ranked]
    if not tested or tested[0].ranked is None:
        return []
    rows = [
        ClassScores(
            index=index,
            name=figures.name,
            support=figures.ground_truths,
            rare=any(figures.name in record.rare_classes for record in tested),
            ap=_by_model(comparison, index, lambda found: found.AP),
            ap50=_by_model(comparison, index, lambda found: found.AP50),
            detections=_by_model(comparison, index, lambda found: found.detections),
            estimates=_estimates(comparison, figures.name),
        )
        for index, figures in enumerate(tested[0].ranked.classes)
    ]
    return sorted(rows, key=lambda row: -row.support)


def ap_by_class(comparison: Comparison) -> RowChart | None:
    """One row a class, one dot a model; None where no class has an AP."""
    rows = class_scores(comparison)
    if not any(ap for row in rows for ap in row.ap):
        return None
    return RowChart(
        title="AP by class",
        caption="Test split, IoU .50:.95; mean over seeds, with 95 % intervals where they are known. "
        "In brackets: boxes of the class in test.",
        x=AP_AXIS,
        rows=tuple(
            ChartRow(
                f"{row.name} ({row.support:,})",
                tuple(
                    Dot(
                        c.tone,
                        c.label,
                        ap.mean,
                        f"{row.name}, {c.label}: AP {interval(one) if one else wording.share(ap.mean)}",
                        low=max(0.0, one.low) if one else None,
                        high=min(1.0, one.high) if one else None,
                    )
                    for c, ap, one in zip(comparison.finished, row.ap, row.estimates, strict=True)
                    if ap
                ),
            )
            for row in rows
        ),
        key=tuple(comparison.finished),
    )


def class_distribution(comparison: Comparison) -> RowChart | None:
    """Ground truth beside the detections at the operating threshold, bars in one row a class."""
    rows = class_scores(comparison)
    if not rows:
        return None
    axis = linear(value for row in rows for value in _counts(row))
    return RowChart(
        title="Predicted and real boxes by class",
        caption="Test split. Detections at the score threshold with the best F1 on val; mean over seeds. "
        "In brackets: boxes of the class in the test split.",
        x=axis.named("boxes, test split"),
        rows=tuple(_distribution_row(row, comparison.finished) for row in rows),
        key=(GROUND_TRUTH, *comparison.finished),
        bars=True,
    )


def _counts(row: ClassScores) -> list[float]:
    return [row.support, *(found.mean for found in row.detections if found)]


def _distribution_row(row: ClassScores, contestants: Sequence[Contestant]) -> ChartRow:
    truth = Dot(
        GROUND_TRUTH.tone, GROUND_TRUTH.label, row.support, f"{row.name}: {row.support:,} in the ground truth"
    )
    predicted = [
        Dot(
            contestant.tone,
            contestant.label,
            found.mean,
            f"{row.name}, {contestant.label}: {wording.short(found.mean)} predicted, {row.support:,} real",
        )
        for contestant, found in zip(contestants, row.detections, strict=True)
        if found
    ]
    return ChartRow(f"{row.name} ({row.support:,})", (truth, *predicted))


def _estimates(comparison: Comparison, name: str) -> tuple[Estimate | None, ...]:
    known = comparison.certainty
    sample = None if isinstance(known, str) else known.sample(f"AP/{name}")
    return estimates(sample, comparison.finished)


def _by_model(
    comparison: Comparison, index: int, figure: Callable[[ClassFigures], float | None]
) -> tuple[Spread | None, ...]:
    def of(record: CellRecord) -> float | None:
        if record.ranked is None or index >= len(record.ranked.classes):
            return None
        return figure(record.ranked.classes[index])

    return tuple(contestant.spread(of) for contestant in comparison.finished)
