"""The results of the gates of every cell."""

from dataclasses import dataclass

from bench.records import GateResult
from bench.reports.comparison import Comparison, Contestant


@dataclass(frozen=True)
class GateRow:
    contestant: Contestant
    seed: int
    gate: GateResult


def gate_rows(comparison: Comparison) -> list[GateRow]:
    """Cell by cell, in the order in which the gates ran."""
    return [
        GateRow(contestant, record.seed, gate)
        for contestant in comparison.contestants
        for record in (*contestant.done, *contestant.ranked.apart)
        for gate in record.gates
    ]
