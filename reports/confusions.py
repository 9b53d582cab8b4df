"""Which class is taken for which: confusion matrices with background, and the most frequent confusions."""

from dataclasses import dataclass

import numpy as np

from bench.analysis import Confusion, confusion
from bench.reports.comparison import Contestant
from bench.reports.failures.errors import SplitErrors

MOST_CLASSES = 15
"""Classes with a row and a column of their own; the others share one."""

MOST_PAIRS = 12
BACKGROUND, OTHERS = "background", "all others"


@dataclass(frozen=True)
class Count:
    """One cell of a matrix, or of the list of confusions."""

    count: int
    shade: int  # percent of its row
    link: str  # the filter that shows its pictures; empty for what is no error, and for several classes


@dataclass(frozen=True)
class Matrix:
    """Of one model; rows are true classes, columns predicted ones."""

    contestant: Contestant
    rows: tuple[tuple[str, tuple[Count, ...]], ...]


@dataclass(frozen=True)
class Pair:
    """Objects of one class that are taken for another, by model."""

    truth: str
    predicted: str
    counts: tuple[Count, ...]


@dataclass(frozen=True)
class Confusions:
    """All models, on the same classes."""

    names: tuple[str, ...]  # of the columns, background last
    matrices: tuple[Matrix, ...]
    pairs: tuple[Pair, ...]  # most frequent over all models first
    grouped: int  # classes in the row of the others


def confusions(errors: SplitErrors) -> Confusions:
    """Of the shown cells, each at its own score threshold."""
    found = [confusion(model.table, model.threshold) for model in errors.models]
    classes = errors.table.classes
    kept = _kept(found)
    grouped = len(classes) - len(kept)
    names = (*(classes[label] for label in kept), *([OTHERS] if grouped else []), BACKGROUND)
    matrices = tuple(
        Matrix(model.contestant, _rows(one, kept, names, model.contestant.tone.index))
        for model, one in zip(errors.models, found, strict=True)
    )
    return Confusions(names, matrices, _pairs(errors, found), grouped)


def _kept(found: list[Confusion]) -> list[int]:
    """The classes with most confusions between classes, all models together, in the dataset's order."""
    total = np.sum([one.counts for one in found], axis=0)
    between = total[:-1, :-1].copy()
    np.fill_diagonal(between, 0)
    weight = between.sum(axis=0) + between.sum(axis=1)
    order = np.lexsort((-total[:-1].sum(axis=1), -weight))
    return sorted(order[:MOST_CLASSES].tolist())


def _rows(
    one: Confusion, kept: list[int], names: tuple[str, ...], model: int
) -> tuple[tuple[str, tuple[Count, ...]], ...]:
    background = len(one.classes)
    others = [label for label in range(background) if label not in kept]
    groups = [[label] for label in kept] + ([others] if others else []) + [[background]]
    counts = [[int(one.counts[np.ix_(rows, columns)].sum()) for columns in groups] for rows in groups]
    return tuple(
        (
            name,
            tuple(
                Count(count, round(100 * count / max(sum(row), 1)), _link(rows, columns, background, model))
                if count
                else Count(0, 0, "")
                for count, columns in zip(row, groups, strict=True)
            ),
        )
        for name, row, rows in zip(names, counts, groups, strict=True)
    )


def _link(rows: list[int], columns: list[int], background: int, model: int) -> str:
    if len(rows) > 1 or len(columns) > 1 or rows == columns:
        return ""
    (truth,), (predicted,) = rows, columns
    if predicted == background:
        return f"kind=missed&model={model}&class={truth}"
    if truth == background:
        return f"truth=none&model={model}&class={predicted}"
    return f"kind=class&model={model}&class={predicted}&truth={truth}"


def _pairs(errors: SplitErrors, found: list[Confusion]) -> tuple[Pair, ...]:
    classes = errors.table.classes
    total = np.sum([one.counts[:-1, :-1] for one in found], axis=0)
    np.fill_diagonal(total, 0)
    order = np.argsort(-total, axis=None, kind="stable")[:MOST_PAIRS]
    return tuple(
        Pair(
            classes[truth],
            classes[predicted],
            tuple(
                Count(
                    int(one.counts[truth, predicted]),
                    0,
                    _link([truth], [predicted], len(classes), model.contestant.tone.index),
                )
                for model, one in zip(errors.models, found, strict=True)
            ),
        )
        for truth, predicted in zip(*np.unravel_index(order, total.shape), strict=True)
        if total[truth, predicted]
    )
