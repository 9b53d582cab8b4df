"""The match tables of a run: read where a cell has left them, else computed from its predictions."""

from bench.errors import RunError
from bench.evaluation.judge import Judge
from bench.evaluation.matches import MatchTable, read_matches
from bench.evaluation.results import read_results
from bench.layout import SplitName
from bench.store import CellFolder, RunFolder


def matches_of(
    run: RunFolder, cell: CellFolder, split: SplitName, *, judge: Judge | None = None
) -> MatchTable:
    """The match table of a cell's predictions for a split; `cell.final` for those of the final training.

    Nothing is written. A table that can't be read, or is older than the predictions, is computed anew. Give a
    `judge` of the run where several tables are asked for: the ground truth is then read once.

    Raises RunError where there are no predictions either.
    """
    stored, predictions = cell.matches_path(split), cell.predictions_path(split)
    if stored.is_file() and not _is_older(cell, split):
        try:
            return read_matches(stored)
        except RunError:
            pass  # of another version, or damaged
    return (judge or Judge.of_run(run)).match(split, read_results(predictions))


def _is_older(cell: CellFolder, split: SplitName) -> bool:
    """The predictions were written after the table."""
    predictions = cell.predictions_path(split)
    return predictions.is_file() and predictions.stat().st_mtime > cell.matches_path(split).stat().st_mtime
