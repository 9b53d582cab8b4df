"""Kinds of error in numbers, on the whole test split: the chart, and who found what the others missed."""

from dataclasses import dataclass

from bench.reports.axes import linear
from bench.reports.charts import ChartRow, Dot, RowChart
from bench.reports.comparison import Comparison
from bench.reports.failures.errors import KINDS, TITLES, SplitErrors, split_errors
from bench.reports.palette import Series, Tone
from bench.reports.wording import count

KIND_SERIES = tuple(
    Series(title, Tone(-1, light, dark, "#ffffff", "", "s", (), css=f"k-{kind}"))
    for kind, title, light, dark in zip(
        KINDS,
        TITLES,
        ("#5b6470", "#c2347c", "#0a7f86", "#7a5cc2", "#b34700"),
        ("#5b6470", "#c2347c", "#0a7f86", "#7a5cc2", "#b34700"),
        strict=True,
    )
)
"""One colour a kind of error, by index of KINDS; white text is readable on each."""


@dataclass(frozen=True)
class Finders:
    """Who found how many objects."""

    objects: int
    by_all: int
    by_none: int
    alone: tuple[tuple[str, int, int], ...]  # model, its index, objects that it finds alone


def chart(comparison: Comparison) -> RowChart | None:
    """Errors of every model by kind; None where no predictions are stored."""
    errors = split_errors(comparison)
    return of_errors(errors) if errors else None


def of_errors(errors: SplitErrors) -> RowChart:
    rows = []
    for model in errors.models:
        who = model.contestant
        counts = [model.count(kind) for kind in range(len(KINDS))]
        rows.append(
            ChartRow(
                name=who.label,
                tone=who.tone,
                dots=tuple(
                    Dot(
                        series.tone,
                        series.label,
                        amount,
                        f"{who.label}: {count(amount, 'error')}, {series.label}",
                        link=f"kind={kind}&model={who.tone.index}",
                    )
                    for kind, series, amount in zip(KINDS, KIND_SERIES, counts, strict=True)
                ),
                note=f"{sum(counts):,}",
            )
        )
    longest = max(sum(dot.x for dot in row.dots) for row in rows)
    return RowChart(
        title="Kinds of error",
        caption="On the whole test split, at each model's own score threshold; models with several seeds "
        "with their first.",
        x=linear([longest]).named("objects missed and wrong detections"),
        rows=tuple(rows),
        key=KIND_SERIES,
        bars=True,
        stacked=True,
    )


def finders(errors: SplitErrors) -> Finders:
    return Finders(
        objects=int(errors.real.sum()),
        by_all=int(errors.found_by_all.sum()),
        by_none=int(errors.missed_by_all.sum()),
        alone=tuple(
            (model.contestant.label, model.contestant.tone.index, int(errors.found_alone(model).sum()))
            for model in errors.models
        ),
    )
