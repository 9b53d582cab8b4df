"""Figures by class: AP with support, and how often a class is predicted against how often it is there."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.records import CellRecord, ClassFigures
from bench.reports.comparison import Comparison
from bench.reports.ranking import Spread


@dataclass(frozen=True)
class ClassRow:
    """One class on test; one entry a model with a finished cell, in the order of the ranking."""

    name: str
    support: int  # ground-truth boxes
    rare: bool
    ap: tuple[Spread | None, ...]
    ap50: tuple[Spread | None, ...]
    detections: tuple[Spread | None, ...]  # at the operating threshold


def class_rows(comparison: Comparison) -> list[ClassRow]:
    """Most frequent class first; classes of equal support in the order of their index."""
    tested = [record for record in comparison.records if record.ranked]
    if not tested or tested[0].ranked is None:
        return []
    rows = [
        ClassRow(
            name=figures.name,
            support=figures.ground_truths,
            rare=any(figures.name in record.rare_classes for record in tested),
            ap=_by_model(comparison, index, lambda found: found.AP),
            ap50=_by_model(comparison, index, lambda found: found.AP50),
            detections=_by_model(comparison, index, lambda found: found.detections),
        )
        for index, figures in enumerate(tested[0].ranked.classes)
    ]
    return sorted(rows, key=lambda row: -row.support)


def _by_model(
    comparison: Comparison, index: int, figure: Callable[[ClassFigures], float | None]
) -> tuple[Spread | None, ...]:
    def of(record: CellRecord) -> float | None:
        if record.ranked is None or index >= len(record.ranked.classes):
            return None
        return figure(record.ranked.classes[index])

    return tuple(contestant.spread(of) for contestant in comparison.finished)
