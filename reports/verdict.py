"""The answer in a sentence, and how far it can be trusted; only what the figures support."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.records import CellRecord
from bench.reports.comparison import Comparison, Contestant
from bench.reports.ranking import Spread
from bench.reports.wording import count, leak_of, listed, number, share

NEAR_ZERO_AP = 0.05
"""Below this hardly anything is found where it is, and the order of models says little."""

FEW_IMAGES = 100
"""Test pictures below which a handful of boxes moves the AP by whole points."""

SAME_AMOUNT = 1.1
"""Pictures seen may differ by this factor and still count as the same training."""

WORTH_TELLING = 0.05
"""Share by which another model must be quicker or smaller than the best one to be named for it."""


@dataclass(frozen=True)
class Verdict:
    """Plain text; the template escapes it."""

    answer: str
    certainty: str
    trade_off: str
    cautions: tuple[str, ...]


def verdict(comparison: Comparison) -> Verdict:
    """What to say above the ranking."""
    ranked = [c for c in comparison.contestants if c.ranked.ap]
    cautions = tuple(_cautions(comparison))
    if not ranked:
        return Verdict(_nobody(comparison), "", "", cautions)
    best = ranked[0]
    if len(ranked) == 1:
        answer = f"{best.label} reached a test AP of {_ap(best)}, {_over(best)}; nothing stands beside it."
        return Verdict(answer, _alone(best), "", cautions)
    second = ranked[1]
    return Verdict(_answer(best, second), _certainty(best, second), _trade_off(best, ranked), cautions)


def _nobody(comparison: Comparison) -> str:
    """Why there is no answer: a test split without boxes has no AP, whatever the models do."""
    tests = [record.test for record in comparison.records if record.test]
    if tests and not any(test.boxes for test in tests):
        return (
            f"No model has a test AP: the test split ({count(tests[0].images, 'picture')}) has no boxes, "
            "so there is nothing to find in it. Give test pictures with boxes, or another split."
        )
    return "No model has a test AP: see below for what went wrong."


def _answer(best: Contestant, second: Contestant) -> str:
    lead = _mean(best) - _mean(second)
    if _mean(best) < NEAR_ZERO_AP:
        return (
            f"No model finds much on this data yet: {best.label} has a test AP of {_ap(best)}, "
            f"{second.label} {_ap(second)}, {_over(best, second)}."
        )
    if lead < 0.0005:
        return f"{best.label} and {second.label} are level on this data: test AP {_ap(best)}, {_over(best)}."
    # One training each, or seeds that overlap, show who came first and not who is better.
    proven = min(_spread(best).values) > max(_spread(second).values) and len(_spread(second).values) > 1
    claim = "is best" if proven and len(_spread(best).values) > 1 else "came first"
    return (
        f"{best.label} {claim} on this data: test AP {_ap(best)}, "
        f"{share(lead)} ahead of {second.label} ({_ap(second)}), {_over(best, second)}."
    )


def _certainty(best: Contestant, second: Contestant) -> str:
    mine, theirs = _spread(best), _spread(second)
    few = min(len(mine.values), len(theirs.values))
    lead = mine.mean - theirs.mean
    if few == 1:
        single = [c.label for c in (best, second) if len(_spread(c).values) == 1]
        who = "One seed" if len(single) == 2 else f"The one seed of {single[0]}"
        return (
            f"{who} can't tell how much of the difference of {share(lead)} is chance: "
            "a second training of the same model would give another figure. More seeds would tell."
        )
    ranges = (
        f"{best.label} from {share(min(mine.values))} to {share(max(mine.values))}, "
        f"{second.label} from {share(min(theirs.values))} to {share(max(theirs.values))}"
    )
    if min(mine.values) > max(theirs.values):
        chance = clean_order_chance(len(mine.values), len(theirs.values))
        return (
            f"It was ahead in every seed ({ranges}). Two equally good models would come out as "
            f"cleanly apart, one way or the other, in {number(100 * chance)} % of such comparisons."
        )
    return (
        f"The seeds overlap ({ranges}), so the difference of {share(lead)} may be chance: "
        "take the order of these two as open."
    )


def clean_order_chance(mine: int, theirs: int) -> float:
    """Probability that all of one sample lie above all of the other when both come from one distribution.

    Of the equally likely orders of `mine + theirs` values two are clean: 2 / C(mine + theirs, mine).
    """
    return min(1.0, 2 / math.comb(mine + theirs, mine))


def _alone(best: Contestant) -> str:
    spread = _spread(best)
    if spread.sd is None:
        return "One seed can't tell how far another training of the same model would be from it."
    return f"Its seeds lie between {share(min(spread.values))} and {share(max(spread.values))}."


def _trade_off(best: Contestant, ranked: list[Contestant]) -> str:
    """Who is quicker or smaller than the best, and at what AP."""
    parts = []
    quick = _least(ranked, lambda r: r.efficiency.latency_ms if r.efficiency else None)
    small = _least(ranked, lambda r: float(r.description.parameters) if r.description else None)
    if quick and quick[2] is not None and _worth_telling(quick[1], quick[2]):
        parts.append(
            f"{quick[0].label} is quicker: {number(quick[1])} ms a picture instead of {number(quick[2])} ms, "
            f"at a test AP of {_ap(quick[0])}"
        )
    if small and small[2] is not None and _worth_telling(small[1], small[2]):
        parts.append(
            f"{small[0].label} is smaller: {number(small[1] / 1e6)} M parameters instead of "
            f"{number(small[2] / 1e6)} M, at a test AP of {_ap(small[0])}"
        )
    if quick and small and quick[0] is small[0] is best:
        return f"{best.label} is also the quickest and the smallest of them."
    return f"{'; '.join(parts)}." if parts else ""


def _worth_telling(least: float, best: float) -> bool:
    return least <= (1 - WORTH_TELLING) * best


def _least(
    ranked: list[Contestant], figure: Callable[[CellRecord], float | None]
) -> tuple[Contestant, float, float | None] | None:
    """The contestant with the lowest mean, its mean, and the best-ranked one's; None where nobody has one."""
    known = [(c, spread.mean) for c in ranked if (spread := c.spread(figure))]
    if not known:
        return None
    least = min(known, key=lambda pair: pair[1])
    first = ranked[0].spread(figure)
    return least[0], least[1], first.mean if first else None


def _cautions(comparison: Comparison) -> list[str]:
    """What a sceptic would ask first."""
    found = []
    if leak := leak_of(comparison.manifest):
        found.append(f"{leak}.")
    records = comparison.records
    found += _of_finals(records)
    best = max((c.ranked.ap.mean for c in comparison.contestants if c.ranked.ap), default=None)
    if best is not None and best < NEAR_ZERO_AP:
        found.append(
            f"With a best test AP of {share(best)} the order says little: train longer, "
            "or start from pretrained weights."
        )
    failed = [record for c in comparison.contestants for record in c.ranked.failed]
    if failed:
        found.append(f"{count(len(failed), 'cell')} failed and stand{'s' * (len(failed) == 1)} apart, below.")
    found += _of_gates(comparison)
    left = [name for run in comparison.runs for name in run.unfinished]
    if left:
        found.append(f"{count(len(left), 'cell')} not finished yet: {listed(left)}.")
    starts = {record.description.pretrained_on for record in records if record.description}
    if len(starts) > 1:
        found.append("The models did not start alike: their weights were pretrained on different data.")
    seen = [record.training.images_seen for record in records if record.training]
    if seen and max(seen) > SAME_AMOUNT * min(seen):
        found.append(
            f"They did not see the same number of pictures in training: {min(seen):,} to {max(seen):,}."
        )
    seeds = {contestant.ranked.seeds for contestant in comparison.finished}
    if len(seeds) > 1:
        found.append("They were not trained with the same seeds.")
    if (
        len({record.rare_classes for record in records if record.test and record.test.AP_rare is not None})
        > 1
    ):
        found.append("The runs name different rare classes: compare no AP of the rare ones.")
    devices = {record.efficiency.device for record in records if record.efficiency}
    if len(devices) > 1:
        found.append("They were timed on different devices: compare no latencies.")
    tested = {record.test.images for record in records if record.test}
    if tested and max(tested) < FEW_IMAGES:
        found.append(
            f"The test split has only {count(max(tested), 'picture')}: which pictures fell into it is "
            "a chance that more seeds don't cover."
        )
    if comparison.manifest.get("limit"):
        found.append("Only a share of the data was used (data.limit): with all of it the order may differ.")
    return found


def _of_finals(records: Sequence[CellRecord]) -> list[str]:
    """Which training the test figures are of, where there were two."""
    finals = [record for record in records if record.final]
    if not finals:
        return []
    if len(finals) < len(records):
        told = (
            "Some test figures are of a training on train and val together "
            f"({listed(sorted({record.model for record in finals}))}), others of one on train alone: "
            "they do not compare."
        )
    else:
        told = (
            "Ranked by the final trainings: after the choice on val each model was trained once more on "
            "train and val together, and its last weights judged on test. The figures of the models chosen "
            "on val stand beside them."
        )
    return [told]


def _of_gates(comparison: Comparison) -> list[str]:
    """Who did not pass, who passed with a doubt, and whether anyone was asked."""
    found = []
    invalid = [record for c in comparison.contestants for record in c.ranked.invalid]
    if invalid:
        one = len(invalid) == 1
        found.append(
            f"{count(len(invalid), 'cell')} {'is' if one else 'are'} invalid and stand{'s' * one} apart, "
            "below: the gates say that the figures tell nothing of the model."
        )
    if not all(run.gated for run in comparison.runs):
        found.append("The gates were off (gates: false): a broken adapter would be ranked as a bad model.")
    found += [
        f"{record.model}, seed {record.seed}, gate {gate.name}: {gate.detail}."
        for record in comparison.records
        for gate in record.gates
        if gate.flagged
    ]
    return found


def _spread(contestant: Contestant) -> Spread:
    spread = contestant.ranked.ap
    assert spread is not None, "only contestants with a test AP get here"
    return spread


def _mean(contestant: Contestant) -> float:
    return _spread(contestant).mean


def _ap(contestant: Contestant) -> str:
    return share(_mean(contestant))


def _over(*contestants: Contestant) -> str:
    """'means over 3 seeds each'."""
    amounts = [len(_spread(contestant).values) for contestant in contestants]
    if set(amounts) == {1}:
        return "one seed each" if len(amounts) > 1 else "one seed"
    if len(set(amounts)) == 1:
        return f"mean{'s' * (len(amounts) > 1)} over {amounts[0]} seeds{' each' * (len(amounts) > 1)}"
    return f"over {count(amounts[0], 'seed')} against {amounts[1]}"
