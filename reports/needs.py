"""Which model to take for which need, and how sure that is: the cards on the page's first screen.

A card names a model that is ahead of all others (sure), models whose differences are surely within the
margin (as good as), or models that can't be told apart (open). All of it is read off intervals; without
them there is no card. A model that finds next to nothing beside one that does is recommended for nothing,
however quick it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.reports import costs
from bench.reports.cautions import FEW_IMAGES, NEAR_ZERO_AP
from bench.reports.certainty import Certainty
from bench.reports.comparison import Comparison, Contestant
from bench.reports.verdict import OTHER_FIGURES
from bench.reports.wording import count, listed, share, signed
from bench.statistics import Comparison as Intervals
from bench.statistics import Difference

Certain = Literal["sure", "probably", "as good as", "open", "one seed", "measured once"]

MEANS: dict[Certain, str] = {
    "sure": "ahead of every other model",
    "probably": "ahead of every other model, on few test images",
    "as good as": "differences are within the margin",
    "open": "can't be told on this data",
    "one seed": "ahead, but another training may differ",
    "measured once": "another measurement may differ",
}
"""What the label of a card says in full."""


@dataclass(frozen=True)
class Need:
    """One card."""

    title: str
    what: str  # the figure
    take: tuple[Contestant, ...]  # the model, or all that can't be told from it, the best first
    certain: Certain
    text: str  # figures and intervals
    note: str = ""

    @property
    def means(self) -> str:
        return MEANS[self.certain]


@dataclass(frozen=True)
class Needs:
    """All cards, and who is on none."""

    cards: tuple[Need, ...]
    unlearnt: tuple[Contestant, ...]  # models that find next to nothing
    only: Contestant | None = None  # the one model that is left then


def needs(comparison: Comparison) -> Needs:
    """For at least two models with a test AP of which one is not near zero."""
    ranked = [c for c in comparison.contestants if c.ranked.ap]
    known = comparison.certainty
    if len(ranked) < 2 or _ap(ranked[0]) < NEAR_ZERO_AP:
        return Needs((), ())
    learnt = [c for c in ranked if _ap(c) >= NEAR_ZERO_AP]
    unlearnt = tuple(c for c in ranked if c not in learnt)
    if len(learnt) == 1:
        return Needs((), unlearnt, learnt[0])
    found = [] if isinstance(known, str) else _accurate(comparison, learnt, known)
    return Needs(tuple(found + _cheap(learnt, known)), unlearnt)


def _accurate(comparison: Comparison, learnt: Sequence[Contestant], known: Certainty) -> list[Need]:
    wanted = (
        ("Overall", "test AP", "AP", ""),
        ("Rare classes", "AP of the rare classes", "AP_rare", _boxes_of_rare(learnt[0])),
        ("Small objects", "AP of objects below 32² px", "AP_small", _small_objects(comparison)),
        ("Few false alarms", "recall at precision .95", "recall_at_precision_0.95", ""),
        ("Hardly any false alarm", "recall at precision .99", "recall_at_precision_0.99", ""),
        ("Finding everything", "precision at recall .90", "precision_at_recall_0.9", ""),
    )
    found = []
    # A threshold is chosen on val: without val predictions a model may or may not get there.
    on_val = all(record.val for c in learnt for record in c.done)
    for title, what, figure, note in wanted:
        if "_at_" in figure and not on_val:
            continue
        intervals = known.comparison(figure, claims=1 if figure == "AP" else len(OTHER_FIGURES))
        if intervals is None:
            continue
        by_label = {c.label: c for c in learnt}
        there = [by_label[label] for label in intervals.order if label in by_label]
        if there and not (figure.startswith("recall_at") and _mean(intervals, there[0]) == 0):
            lacking = [c.label for c in learnt if c not in there]
            extra = [note, _reached(known, figure, there[0]), _never(lacking)]
            found.append(_card(title, what, there, intervals, " ".join(text for text in extra if text)))
    return found


def _card(title: str, what: str, there: Sequence[Contestant], intervals: Intervals, note: str) -> Need:
    """`there` is in the order of the intervals, best first."""
    best, others = there[0], there[1:]
    pairs = {c.label: intervals.difference(best.label, c.label) for c in others}
    rivals = [c for c in others if not pairs[c.label].ahead]
    certain = _certain(intervals, list(pairs.values()), [pairs[c.label] for c in rivals])
    take = (best, *rivals)
    figures = listed([f"{c.label} {share(_mean(intervals, c))}" for c in take])
    if not others:
        text = f"{figures}; no other model gets there"
    elif rivals:
        text = f"{figures}; {_differences_text([pairs[c.label] for c in rivals])}"
    else:
        text = f"{figures}; {_differences_text([min(pairs.values(), key=lambda d: d.estimate)])}"
    return Need(title, what, take, certain, text, note)


def _certain(intervals: Intervals, all_pairs: Sequence[Difference], rivals: Sequence[Difference]) -> Certain:
    if not all(pair.covers_training for pair in all_pairs):
        return "open" if rivals else "one seed"
    if not rivals:
        return "sure" if intervals.sample.units >= FEW_IMAGES else "probably"
    return "as good as" if all(pair.equivalent for pair in rivals) else "open"


def _differences_text(pairs: Sequence[Difference]) -> str:
    """'against b +0.065 (+0.030 to +0.100)'."""
    return listed(
        [
            f"against {pair.other} {signed(pair.estimate)} ({signed(pair.low)} to {signed(pair.high)})"
            for pair in pairs
        ]
    )


def _cheap(learnt: Sequence[Contestant], known: Certainty | str) -> list[Need]:
    wanted = (
        ("Speed", "median latency, one picture", costs.LATENCY),
        ("Size", "weights of the model", costs.PARAMETERS),
        ("Memory", "peak while detecting", costs.MEMORY),
    )
    found = []
    devices = {r.efficiency.device for c in learnt for r in c.done if r.efficiency}
    for title, what, cost in wanted:
        if len(devices) > 1 and not cost.exact:
            continue
        intervals = costs.compared({c.label: c.done for c in learnt}, cost)
        if intervals is not None:
            machine = f"on {listed(sorted(devices))}" if devices and not cost.exact else ""
            found.append(_cost_card(title, what, learnt, intervals, cost, known, machine))
    return found


def _cost_card(
    title: str,
    what: str,
    learnt: Sequence[Contestant],
    intervals: Intervals,
    cost: costs.Cost,
    known: Certainty | str,
    machine: str,
) -> Need:
    """The lowest cost first; a difference is what another model costs more."""
    by_label = {c.label: c for c in learnt}
    there = [by_label[label] for label in reversed(intervals.order)]
    best, others = there[0], there[1:]
    pairs = {c.label: intervals.difference(c.label, best.label) for c in others}
    rivals = [c for c in others if not pairs[c.label].ahead or pairs[c.label].equivalent]
    alike = all(pairs[c.label].equivalent for c in rivals)
    take = tuple(sorted((best, *rivals), key=_ap, reverse=True)) if alike else (best, *rivals)
    figures_text = listed([f"{c.label} {cost.write(_mean(intervals, c))}" for c in take])
    if machine:
        figures_text += f" {machine}"
    if len(take) < len(there):
        following = next(c for c in there if c not in take)
        figures_text += f"; next {following.label} {cost.write(_mean(intervals, following))}"
    once = not cost.exact and not all(pair.covers_training for pair in pairs.values())
    certain: Certain = (
        "measured once" if once else "sure" if not rivals else "as good as" if alike else "open"
    )
    return Need(title, what, take, certain, figures_text, _accuracy_of(take, learnt, known))


def _accuracy_of(take: Sequence[Contestant], learnt: Sequence[Contestant], known: Certainty | str) -> str:
    """What taking the cheapest costs in AP."""
    best = max(learnt, key=_ap)
    if best in take:
        return f"{best.label} has the highest AP, too" if len(take) == 1 else ""
    told = []
    for contestant in take:
        text = f"AP {share(_ap(contestant))}"
        intervals = None if isinstance(known, str) else known.comparison("AP")
        if intervals:
            pair = intervals.difference(contestant.label, best.label)
            text += f", {signed(pair.estimate)} ({signed(pair.low)} to {signed(pair.high)})"
        told.append(f"{contestant.label}: {text} against {best.label}" if len(take) > 1 else
                    f"{text} against {best.label}")  # fmt: skip
    return "; ".join(told)


def _reached(known: Certainty, figure: str, best: Contestant) -> str:
    """The precision on test at a threshold that reached it on val."""
    if not figure.startswith("recall_at_precision_"):
        return ""
    sample = known.sample(figure.replace("recall_at", "precision_at"))
    if sample is None or best.label not in sample.models:
        return ""
    value = float(sample.means[sample.models.index(best.label)])
    return f"Threshold from val; {best.label}'s precision on test: {share(value)}."


def _never(labels: Sequence[str]) -> str:
    return f"Not reached on val by {listed(list(labels))}." if labels else ""


def _boxes_of_rare(contestant: Contestant) -> str:
    record = contestant.done[0]
    classes = record.ranked.classes if record.ranked else ()
    rare = [c for c in classes if c.name in record.rare_classes]
    boxes = sum(c.ground_truths for c in rare)
    return f"{count(len(rare), 'class', 'classes')}, {count(boxes, 'box', 'boxes')}." if rare else ""


def _small_objects(comparison: Comparison) -> str:
    sizes = comparison.manifest.get("statistics", {}).get("test", {}).get("sizes", {})
    small = sizes.get("small") if isinstance(sizes, dict) else None
    return f"{count(small, 'object')}." if isinstance(small, int) else ""


def _mean(intervals: Intervals, contestant: Contestant) -> float:
    sample = intervals.sample
    return float(sample.means[sample.models.index(contestant.label)])


def _ap(contestant: Contestant) -> float:
    assert contestant.ranked.ap is not None
    return contestant.ranked.ap.mean
