"""Dots and bars on strips, one strip a model or a class; positions in percent, drawn by the templates."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.records import CellRecord
from bench.reports import wording
from bench.reports.axes import Axis, Tick, of_ap
from bench.reports.classes import ClassRow
from bench.reports.comparison import Comparison, Contestant
from bench.reports.palette import Tone
from bench.reports.ranking import test_ap


@dataclass(frozen=True)
class Dot:
    """A value on a strip."""

    tone: Tone
    label: str
    x: float  # percent of the strip
    tip: str


@dataclass(frozen=True)
class Strip:
    """One row of dots or bars on a common scale."""

    dots: tuple[Dot, ...]
    truth: float = 0.0  # length of the ground truth's bar, percent


@dataclass(frozen=True)
class Strips:
    """One strip a model, on one scale."""

    ticks: tuple[Tick, ...]
    rows: tuple[tuple[Contestant, Strip], ...]


def seed_strips(comparison: Comparison) -> Strips:
    """Test AP of every seed, one strip a model."""
    finished = [(contestant, contestant.ranked.ap) for contestant in comparison.contestants]
    axis = of_ap(value for _, ap in finished if ap for value in ap.values)
    return Strips(
        axis.ticks,
        tuple(
            (contestant, Strip(tuple(_seed_dot(contestant, record, axis) for record in _tested(contestant))))
            for contestant, ap in finished
            if ap
        ),
    )


def _tested(contestant: Contestant) -> list[CellRecord]:
    return [record for record in contestant.done if test_ap(record) is not None]


def _seed_dot(contestant: Contestant, record: CellRecord, axis: Axis) -> Dot:
    ap = test_ap(record) or 0.0
    tip = f"{contestant.label}, seed {record.seed}: test AP {wording.share(ap)}"
    return Dot(contestant.tone, contestant.label, axis.at(ap), tip)


def ap_strips(comparison: Comparison, rows: Sequence[ClassRow]) -> list[Strip]:
    """AP of every class, one dot a model, from 0 to 1."""
    return [
        Strip(
            tuple(
                Dot(c.tone, c.label, 100 * ap.mean, f"{row.name}, {c.label}: AP {wording.share(ap.mean)}")
                for c, ap in zip(comparison.finished, row.ap, strict=True)
                if ap
            )
        )
        for row in rows
    ]


def count_strips(comparison: Comparison, rows: Sequence[ClassRow]) -> list[Strip]:
    """Detections and ground truths of every class as bars on one scale."""
    longest = max(
        (value for row in rows for value in (row.support, *(d.mean for d in row.detections if d))), default=1
    )
    scale = 100 / max(longest, 1)
    return [
        Strip(
            tuple(
                Dot(
                    c.tone,
                    c.label,
                    round(scale * found.mean, 2),
                    f"{row.name}, {c.label}: {wording.short(found.mean)} predicted, {row.support} real",
                )
                for c, found in zip(comparison.finished, row.detections, strict=True)
                if found
            ),
            truth=round(scale * row.support, 2),
        )
        for row in rows
    ]
