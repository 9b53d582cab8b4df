"""What more seeds or test images would tell, and what this test split can tell at all, in sentences."""

from typing import TYPE_CHECKING

from bench.reports.wording import count, isolated, listed, share
from bench.statistics import Comparison, Plan, plan, resolution
from bench.statistics.planning import MOST_SEEDS, MOST_TIMES

if TYPE_CHECKING:
    from bench.reports.certainty import Certainty

COARSE = 0.1
"""AP of one class: where smaller differences than this can't be settled, the class is named."""

MOST_CLASSES = 5


def more(intervals: Comparison, known: "Certainty") -> str:
    """For the first model and the one that is hardest to tell from it."""
    sample, first = intervals.sample, intervals.order[0]
    rivals = intervals.rivals or intervals.order[1:2]
    nearest = min(rivals, key=lambda other: intervals.difference(first, other).estimate)
    one, other = sample.models.index(first), sample.models.index(nearest)
    pairs = len(intervals.differences)
    planned = plan(sample, one, other, pairs, intervals.confidence)
    difference = intervals.difference(first, nearest)
    sentences = []
    if not difference.ahead and not difference.equivalent:
        sentences.append(_needed(planned, difference.covers_training, known))
    sentences.append(_large_enough(planned.least, known, difference.covers_training, first, nearest))
    coarse = _coarse_classes(known, one, other)
    if coarse:
        sentences.append(coarse)
    return " ".join(sentences)


def _needed(planned: Plan, several_seeds: bool, known: "Certainty") -> str:
    unit = "test images" if known.units == known.images else "groups of test images"
    found = f"If the true difference is the {share(planned.difference)} that was found"
    larger = f"a test split of about {_round(planned.units):,} {unit}" if planned.units else ""
    if not several_seeds:
        wanted = "Train at least three seeds of each model to see how far trainings differ."
        return f"{wanted} {found}, {larger} would separate these trained weights." if larger else wanted
    if planned.seeds and larger:
        return f"{found}, {planned.seeds} seeds each would probably show it, or with these seeds {larger}."
    if planned.seeds:
        return f"{found}, {planned.seeds} seeds each would probably show it; test images alone would not."
    if larger:
        return f"{found}, no number of seeds would show it on this test split; {larger} probably would."
    return (
        f"{found}, neither {MOST_SEEDS} seeds each nor a test split {MOST_TIMES:,} times as large would show "
        "it by itself."
    )


def _large_enough(least: float, known: "Certainty", several_seeds: bool, first: str, other: str) -> str:
    """Is the test split large enough?"""
    size = count(known.images, "test image")
    if known.units != known.images:
        size += f" in {count(known.units, 'group')}"
    seeds = "however many seeds are trained" if several_seeds else "for these trained weights"
    if least <= known.margin:
        return (
            f"The test split is large enough: {size} settle differences of {share(least)} AP between {first} "
            f"and {other}, {seeds}."
        )
    wanted = _round(round(known.units * (least / known.margin) ** 2))
    unit = "images" if known.units == known.images else "groups"
    return (
        f"The test split is small: {size} settle differences from {share(least)} AP up between {first} and "
        f"{other}, {seeds}; for {share(known.margin)} AP about {wanted:,} {unit} are needed."
    )


def _coarse_classes(known: "Certainty", one: int, other: int) -> str:
    """Classes whose AP is known too coarsely."""
    found = []
    for figure in known.names:
        if figure.startswith("AP/") and (sample := known.sample(figure)):
            least = resolution(sample, one, other)
            if least > COARSE:
                found.append((least, figure.removeprefix("AP/")))
    if not found:
        return ""
    named = [
        f"{share(least)} for {isolated(name)}" for least, name in sorted(found, reverse=True)[:MOST_CLASSES]
    ]
    rest = len(found) - len(named)
    names = listed([*named, *([f"over {share(COARSE)} for {rest} more"] if rest else [])])
    return f"Single classes need larger differences: {names}."


def _round(amount: int) -> int:
    """To two digits: a planned number is no more exact."""
    digits = max(0, len(str(amount)) - 2)
    return round(amount, -digits)
