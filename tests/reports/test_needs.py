"""Which model for which need: the cards never say more than the intervals."""

import json

import pytest

from bench.reports.comparison import compare
from bench.reports.needs import needs
from bench.reports.weighing import weighing


@pytest.fixture
def cards(make_run, make_record, certain):
    """cards(image_sd, a=(aps, cost)) -> Needs of models with a seed for each AP."""

    def cards(image_sd, units=200, **models):
        certain(image_sd, units)
        records = [
            make_record(name, seed, ap, **costs)
            for name, (aps, costs) in models.items()
            for seed, ap in enumerate(aps)
        ]
        return needs(compare([make_run(records=records)])[0])

    return cards


def by_title(found):
    return {card.title: ([c.label for c in card.take], card.certain) for card in found.cards}


BIG, SMALL = {"latency_ms": 80.0, "parameters": 40_000_000}, {"latency_ms": 10.0, "parameters": 3_000_000}


def test_who_is_ahead_of_all_is_sure_and_costs_are_told_with_their_ap(cards):
    found = cards(0.005, a=((0.50, 0.51, 0.52), BIG), b=((0.40, 0.41, 0.42), SMALL))
    assert by_title(found) == {
        "Overall": (["a"], "sure"),
        "Small objects": (["a"], "sure"),
        "Speed": (["b"], "sure"),
        "Size": (["b"], "sure"),
        "Memory": (["b"], "sure"),
    }
    told = {card.title: card for card in found.cards}
    assert told["Overall"].text.startswith("a 0.510; against b +0.100 (+0.0")
    assert told["Speed"].text == "b 11.0 ms on cpu; next a 81.0 ms"
    assert told["Speed"].note.startswith("AP 0.410, \N{MINUS SIGN}0.100 (\N{MINUS SIGN}0.1")


def test_models_that_cant_be_told_apart_are_all_on_the_card(cards):
    found = cards(0.03, a=((0.50, 0.54), BIG), b=((0.49, 0.53), BIG), c=((0.1, 0.11), BIG))
    assert by_title(found)["Overall"] == (["a", "b"], "open")
    assert by_title(found)["Size"] == (["a", "b", "c"], "as good as")


def test_within_the_margin_is_as_good_as(cards):
    found = cards(0.0, a=((0.5001, 0.5002, 0.5003), BIG), b=((0.5, 0.5001, 0.5002), BIG))
    assert by_title(found)["Overall"] == (["a", "b"], "as good as")


def test_one_seed_is_never_sure(cards):
    found = by_title(cards(0.005, a=((0.5,), BIG), b=((0.3,), SMALL)))
    assert found["Overall"] == (["a"], "one seed")
    assert found["Speed"] == (["b"], "measured once"), "a single timing shows nothing"
    assert found["Size"] == (["b"], "sure"), "a number of weights is exact"


def test_on_few_images_it_is_probably(cards):
    found = by_title(cards(0.005, units=40, a=((0.50, 0.51, 0.52), BIG), b=((0.40, 0.41, 0.42), SMALL)))
    assert found["Overall"] == (["a"], "probably")


def test_a_model_that_has_not_learnt_is_recommended_for_nothing(cards):
    quick = {"latency_ms": 1.0, "parameters": 1000}
    found = cards(0.005, a=((0.5, 0.51), BIG), b=((0.4, 0.41), SMALL), c=((0.01, 0.012), quick))
    assert [c.label for c in found.unlearnt] == ["c"]
    assert not [card.title for card in found.cards if "c" in [c.label for c in card.take]]
    assert by_title(found)["Speed"] == (["b"], "sure")
    alone = cards(0.005, a=((0.5, 0.51), BIG), c=((0.01, 0.012), quick))
    assert alone.cards == () and alone.only.label == "a"
    nobody = cards(0.005, a=((0.02, 0.021), BIG), c=((0.01, 0.012), quick))
    assert nobody.cards == nobody.unlearnt == ()


def test_without_intervals_no_accuracy_is_compared(make_run, make_record):
    records = [make_record("a", seed, 0.5, **BIG) for seed in (0, 1)]
    records += [make_record("b", seed, 0.3, **SMALL) for seed in (0, 1)]
    found = needs(compare([make_run(records=records)])[0])
    assert {card.title for card in found.cards} == {"Speed", "Size", "Memory"}


def test_different_devices_are_not_compared(make_run, make_record, certain):
    certain(0.005)
    slow = make_record("a", 0, 0.5, **BIG)
    other = make_record("b", 0, 0.4, **SMALL)
    other = other.model_copy(
        update={"efficiency": other.efficiency.model_copy(update={"device": "cuda:0 (H100)"})}
    )
    found = needs(compare([make_run(records=[slow, other])])[0])
    assert {"Speed", "Memory"}.isdisjoint(card.title for card in found.cards)


def test_cards_of_thresholds_come_from_val_and_the_weighing_has_all_costs(make_run, make_record, judged):
    comparison = compare([judged("a", "b")])[0]
    told = {card.title: card for card in needs(comparison).cards}
    assert "precision on test" in told["Few false alarms"].note
    data = json.loads(weighing(comparison).data)
    known = comparison.certainty
    for cost, errors, halves in zip(data["missCosts"], data["errors"], data["errorHalves"], strict=True):
        intervals = known.comparison(f"error_cost_{cost:g}")
        pair = intervals.difference(*data["models"])
        assert errors[0] - errors[1] == pytest.approx(pair.estimate, rel=1e-3, abs=1e-4)
        assert halves[1] == halves[2] == pytest.approx(pair.half_width, rel=1e-3)
        assert halves[0] == halves[3] == 0
