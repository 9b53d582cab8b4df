"""Match tables of a comparison: those of shown cells are read once and kept, all others read when needed."""

from pathlib import Path

from bench.evaluation import Judge, MatchTable, matches_of
from bench.layout import SplitName
from bench.store import CellFolder, RunFolder


class Tables:
    """Call it as bench.evaluation.matches_of.

    Args:
        shown: folders of the cells whose test tables several parts of the page need.
    """

    def __init__(self, shown: set[Path]) -> None:
        self._shown = shown
        self._kept: dict[Path, MatchTable] = {}

    def __call__(
        self, run: RunFolder, cell: CellFolder, split: SplitName, *, judge: Judge | None = None
    ) -> MatchTable:
        """Raises RunError as `matches_of`."""
        keep = split == "test" and cell.root in self._shown
        if keep and cell.root in self._kept:
            return self._kept[cell.root]
        table = matches_of(run, cell, split, judge=judge)
        if keep:
            self._kept[cell.root] = table
        return table
