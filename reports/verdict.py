"""The answer in a sentence, and how sure it is; every claim follows from intervals of bench.statistics.

A model "is best" where it is ahead of every other one. One "is as good as" another where their difference is
surely within the margin. Neither: it "can't be told", and the sentence says what difference could have gone
unseen. docs/statistics.md lists the sentences with what each rests on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.reports.cautions import FEW_IMAGES, NEAR_ZERO_AP, cautions
from bench.reports.comparison import Comparison, Contestant
from bench.reports.costs import cheaper_than
from bench.reports.more import more
from bench.reports.ranking import Spread
from bench.reports.wording import count, listed, share, signed
from bench.statistics import Comparison as Intervals
from bench.statistics import Difference

if TYPE_CHECKING:
    from bench.reports.certainty import Certainty

UNSEEN = 0.0005
"""A smaller difference does not show in three digits."""

OTHER_FIGURES = {
    "AP_rare": "AP of the rare classes",
    "AP_small": "AP of small objects",
    "AP_medium": "AP of medium objects",
    "AP_large": "AP of large objects",
    "precision": "precision",
    "recall": "recall",
    "recall_at_precision_0.95": "recall at precision .95",
    "recall_at_precision_0.99": "recall at precision .99",
    "precision_at_recall_0.9": "precision at recall .90",
}
"""In which a model that is not first may be ahead of the one that is. All claims about them hold at once."""


@dataclass(frozen=True)
class Verdict:
    """Plain text; the template escapes it."""

    answer: str
    certainty: str
    more: str
    """What more seeds or test images would tell, and what this test split can tell at all."""
    trade_off: str
    cautions: tuple[str, ...]

    @property
    def headline(self) -> str:
        """The answer without its figures."""
        claim, figures, _ = self.answer.partition(": test AP")
        return f"{claim}." if figures else claim

    @property
    def figures(self) -> str:
        """The figures of the answer; empty where the headline has them all."""
        _, figures, rest = self.answer.partition(": test AP")
        return f"Test AP{rest}" if figures else ""

    @property
    def lines(self) -> tuple[str, ...]:
        """For a terminal."""
        return tuple(text for text in (self.answer, self.certainty, self.more, self.trade_off) if text)


def verdict(comparison: Comparison, known: "Certainty | str | None" = None) -> Verdict:
    """What to say above the ranking. `known`: in place of what the runs' predictions tell."""
    ranked = [c for c in comparison.contestants if c.ranked.ap]
    if not ranked:
        return Verdict(_nobody(comparison), "", "", "", tuple(cautions(comparison)))
    best = ranked[0]
    if len(ranked) == 1:
        answer = f"{best.label} reached a test AP of {_ap(best)}, {_over(best)}; there is nothing to compare."
        return Verdict(answer, _alone(best), "", "", tuple(cautions(comparison)))
    known = comparison.certainty if known is None else known
    intervals = None if isinstance(known, str) else known.comparison("AP")
    trade_offs = [cheaper_than(best, ranked)]
    if intervals is None or isinstance(known, str):
        reason = known if isinstance(known, str) else "too few of the test images hold an object"
        answer, certain, further = _unproven(ranked), _unknown(reason), ""
    else:
        ranked.sort(key=lambda c: intervals.order.index(c.label))
        answer, certain = _answer(ranked, intervals), _certainty(ranked, intervals, known)
        further = more(intervals, known)
        trade_offs.append(_other_figures(ranked, known))
    return Verdict(
        answer, certain, further, " ".join(text for text in trade_offs if text), tuple(cautions(comparison))
    )


def _nobody(comparison: Comparison) -> str:
    """Why there is no answer: a test split without boxes has no AP, whatever the models do."""
    tests = [record.test for record in comparison.records if record.test]
    if tests and not any(test.boxes for test in tests):
        return (
            f"No model has a test AP: the test split ({count(tests[0].images, 'image')}) has no boxes, "
            "so there is nothing to find in it. Give test images with boxes, or another split."
        )
    return "No model has a test AP: see below for what went wrong."


def _answer(ranked: Sequence[Contestant], intervals: Intervals) -> str:
    best, others = ranked[0], ranked[1:]
    rivals = [c for c in others if c.label in intervals.rivals]
    behind = [c for c in others if c.label not in intervals.rivals]
    if _mean(best) < NEAR_ZERO_AP:
        return _near_zero(ranked)
    if not rivals:
        return _ahead(ranked, intervals)
    if all(_difference(intervals, best, c).equivalent for c in rivals) and _covers_training(
        intervals, [best, *rivals]
    ):
        names = listed([c.label for c in rivals])
        are = "is" if len(rivals) == 1 else "are"
        claim = f"{names} {are} {_probably(intervals)}as good as {best.label} on this data, within "
        claim += f"{share(intervals.margin)} AP"
    else:
        names = listed([best.label, *(c.label for c in rivals)])
        claim = f"Which of {names} is {'better' if len(rivals) == 1 else 'best'} can't be told on this data"
    told = f"{claim}: test AP {listed([_ap(c) for c in (best, *rivals)])}, {_over(best, *rivals)}"
    if behind:
        told += f". {best.label} is {_probably(intervals)}ahead of {_with_ap(behind)}"
    return f"{told}."


def _ahead(ranked: Sequence[Contestant], intervals: Intervals) -> str:
    best, second = ranked[0], ranked[1]
    lead = (
        f"test AP {_ap(best)}, {share(_mean(best) - _mean(second))} ahead of {second.label} ({_ap(second)})"
    )
    if not _covers_training(intervals, ranked):
        return f"{best.label} came first on this data: {lead}, {_over(best, second)}."
    little = ""
    if _difference(intervals, best, second).equivalent:
        little = f", by less than {share(intervals.margin)} AP"
    return f"{best.label} is {_probably(intervals)}best on this data{little}: {lead}, {_over(best, second)}."


def _near_zero(ranked: Sequence[Contestant]) -> str:
    best, second = ranked[:2]
    return (
        f"No model finds much on this data yet: {best.label} has a test AP of {_ap(best)}, "
        f"{second.label} {_ap(second)}, {_over(best, second)}."
    )


def _unproven(ranked: Sequence[Contestant]) -> str:
    """The answer where nothing is known of chance."""
    best, second = ranked[:2]
    lead = _mean(best) - _mean(second)
    if _mean(best) < NEAR_ZERO_AP:
        return _near_zero(ranked)
    if lead < UNSEEN:
        return (
            f"{best.label} and {second.label} have the same test AP on this data: {_ap(best)}, {_over(best)}."
        )
    return (
        f"{best.label} came first on this data: test AP {_ap(best)}, {share(lead)} ahead of {second.label} "
        f"({_ap(second)}), {_over(best, second)}."
    )


def _unknown(reason: str) -> str:
    return (
        f"How much of the difference is chance can't be told: {reason}. "
        "Without intervals this is the order in which the models came out, and no more."
    )


def _certainty(ranked: Sequence[Contestant], intervals: Intervals, known: "Certainty") -> str:
    """The intervals that the answer rests on, what they cover, and how likely each model is the best."""
    best = ranked[0]
    told = [_interval(_difference(intervals, best, c)) for c in ranked[1:]]
    sentences = [f"{best.label} minus {listed(told)} (95 % interval{'s' * (len(told) > 1)})."]
    sentences.append(_scope(ranked, intervals, known))
    open_ = [d for c in ranked[1:] if not (d := _difference(intervals, best, c)).ahead and not d.equivalent]
    if open_:
        widest = max(open_, key=lambda d: d.half_width)
        sentences.append(unseen(widest))
        likely = intervals.best_probability
        chances = [f"{c.label} {_percent(likely[c.label])}" for c in ranked if likely[c.label] >= 0.005]
        sentences.append(f"Probability of being the best: {listed(chances)}.")
    return " ".join(sentences)


def unseen(difference: Difference) -> str:
    """What an interval that leaves the matter open could have missed; two seeds far apart bound nothing."""
    if difference.half_width >= 1:
        return "Any difference could have gone unseen: two seeds of a model are too far apart to tell."
    return f"A true difference of up to {share(difference.half_width)} could have gone unseen."


def _interval(difference: Difference) -> str:
    """'b: +0.031 (+0.012 to +0.050)'."""
    return (
        f"{difference.other}: {signed(difference.estimate)} "
        f"({signed(difference.low)} to {signed(difference.high)})"
    )


def _scope(ranked: Sequence[Contestant], intervals: Intervals, known: "Certainty") -> str:
    images = "test images" if known.units == known.images else f"the {known.units:,} groups of test images"
    pairs = len(intervals.differences)
    together = f", all {pairs} pairs at once" if pairs > 1 else ""
    single = [c.label for c in ranked if len(_spread(c).values) == 1]
    if not single:
        return f"They cover the choice of {images} and the seeds{together}."
    who = "one seed each" if len(single) == len(ranked) else f"the one seed of {listed(single)}"
    return (
        f"They cover the choice of {images}{together}, but not the training: {who} can't tell how far "
        "another training of the same model would be from this one."
    )


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f} %" if probability < 0.995 else "over 99 %"


def _probably(intervals: Intervals) -> str:
    """On few images intervals hold less often than they say."""
    return "probably " if intervals.sample.units < FEW_IMAGES else ""


def _covers_training(intervals: Intervals, of: Sequence[Contestant]) -> bool:
    return all(_difference(intervals, of[0], c).covers_training for c in of[1:])


def _difference(intervals: Intervals, one: Contestant, other: Contestant) -> Difference:
    return intervals.difference(one.label, other.label)


def _alone(best: Contestant) -> str:
    spread = _spread(best)
    if spread.sd is None:
        return "One seed can't tell how far another training of the same model would be from it."
    return f"Its seeds lie between {share(min(spread.values))} and {share(max(spread.values))}."


def _other_figures(ranked: Sequence[Contestant], known: "Certainty") -> str:
    """Models that are ahead of the first one in something else, as far as intervals show it."""
    best = ranked[0]
    told = []
    for figure, title in OTHER_FIGURES.items():
        intervals = known.comparison(figure, claims=len(OTHER_FIGURES))
        for rival in ranked[1:]:
            if intervals is None or not {rival.label, best.label} <= set(intervals.order):
                continue
            difference = intervals.difference(rival.label, best.label)
            if difference.ahead:
                told.append(
                    f"{rival.label} is ahead of {best.label} in {title}: {signed(difference.estimate)} "
                    f"({signed(difference.low)} to {signed(difference.high)})"
                )
    return f"{'; '.join(told)}." if told else ""


def _spread(contestant: Contestant) -> Spread:
    spread = contestant.ranked.ap
    assert spread is not None, "only contestants with a test AP get here"
    return spread


def _mean(contestant: Contestant) -> float:
    return _spread(contestant).mean


def _ap(contestant: Contestant) -> str:
    return share(_mean(contestant))


def _with_ap(contestants: Sequence[Contestant]) -> str:
    return listed([f"{c.label} ({_ap(c)})" for c in contestants])


def _over(*contestants: Contestant) -> str:
    """'means over 3 seeds each'."""
    amounts = [len(_spread(contestant).values) for contestant in contestants]
    if set(amounts) == {1}:
        return "one seed each" if len(amounts) > 1 else "one seed"
    if len(set(amounts)) == 1:
        return f"mean{'s' * (len(amounts) > 1)} over {amounts[0]} seeds{' each' * (len(amounts) > 1)}"
    return f"over {listed([str(amount) for amount in amounts])} seeds"
