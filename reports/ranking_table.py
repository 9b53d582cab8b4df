"""The ranking as a table: a row a model; the best of a column is marked, with what can't be told from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.reports import wording
from bench.reports.columns import COLUMNS, Column
from bench.reports.comparison import Comparison, Contestant
from bench.reports.marking import not_told_from_best


@dataclass(frozen=True)
class Entry:
    """One figure of one model."""

    text: str
    spread: str  # '± 0.012', or empty
    order: str  # what sorting compares; empty sorts last
    best: bool  # the best of its column, or not told apart from it by the intervals


@dataclass(frozen=True)
class RankedRow:
    """One model in the ranking."""

    place: str
    contestant: Contestant
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Table:
    """Columns, and a row a model."""

    columns: tuple[Column, ...]
    rows: tuple[RankedRow, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Title and number of columns of each group, in order."""
        titles = [column.group for column in self.columns]
        return [(title, titles.count(title)) for title in dict.fromkeys(titles)]


def table(comparison: Comparison, columns: Sequence[Column]) -> Table:
    """Of `columns`; those for the rare classes only where some cell has such a figure."""
    kept = tuple(
        column
        for column in columns
        if not column.key.endswith("rare") or any(c.spread(column.figure) for c in comparison.contestants)
    )
    return Table(kept, tuple(rows(comparison, kept)))


def rows(comparison: Comparison, columns: Sequence[Column] = COLUMNS) -> list[RankedRow]:
    """One row a model, best first; in each column the best is marked, with all that can't be told from it."""
    entries = [_entries(column, comparison) for column in columns]
    return [
        RankedRow(
            place=_place(contestant, comparison),
            contestant=contestant,
            entries=tuple(column[index] for column in entries),
        )
        for index, contestant in enumerate(comparison.contestants)
    ]


def _place(contestant: Contestant, comparison: Comparison) -> str:
    mine = contestant.ranked.ap
    if mine is None:
        return wording.NOTHING
    return str(1 + sum(1 for c in comparison.contestants if c.ranked.ap and c.ranked.ap.mean > mine.mean))


def _entries(column: Column, comparison: Comparison) -> list[Entry]:
    spreads = [contestant.spread(column.figure) for contestant in comparison.contestants]
    best = not_told_from_best(column, comparison)
    found = []
    for contestant, spread in zip(comparison.contestants, spreads, strict=True):
        if spread is None:
            found.append(Entry(wording.NOTHING, "", "", False))
            continue
        varied = spread.sd is not None and spread.sd > 0
        found.append(
            Entry(
                text=column.write(spread.mean),
                spread=f"± {column.write(spread.sd)}" if varied else "",
                order=repr(spread.mean),
                best=contestant.label in best,
            )
        )
    return found
