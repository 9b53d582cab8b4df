"""Which models a column of the ranking marks: the best, and all that can't be told from it."""

from bench.reports.columns import Column
from bench.reports.comparison import Comparison
from bench.reports.costs import LATENCY, MEMORY, PARAMETERS, Cost, compared
from bench.statistics import Comparison as Intervals

_COSTS = {"latency": LATENCY, "parameters": PARAMETERS, "memory": MEMORY}


def not_told_from_best(column: Column, comparison: Comparison) -> set[str]:
    """The model with the best mean, and those whose difference to it may be chance or is small.

    Empty where nothing is known of chance, for costs that were measured once, and for a single model. Costs
    that differ by less than costs.WORTH_TELLING are alike.
    """
    if column.interval:
        known = comparison.certainty
        return _open(None if isinstance(known, str) else known.comparison(column.interval), column)
    if column.group != "Cost":
        return set()
    cost = _COSTS.get(column.key) or Cost(column.figure, column.write)
    models = {c.label: c.done for c in comparison.contestants if c.spread(column.figure)}
    intervals = compared(models, cost)
    if intervals and not cost.exact and any(not d.covers_training for d in intervals.differences):
        return set()
    return _open(intervals, column)


def _open(intervals: Intervals | None, column: Column) -> set[str]:
    if intervals is None or len(intervals.order) < 2:
        return set()
    high = column.better == "high"
    first, *others = intervals.order if high else intervals.order[::-1]
    pairs = {other: intervals.difference(first, other) for other in others}
    small = not column.interval
    return {first} | {
        other
        for other, pair in pairs.items()
        if not (pair.ahead if high else pair.behind) or (small and pair.equivalent)
    }
