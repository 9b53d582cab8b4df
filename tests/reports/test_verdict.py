import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.reports.certainty import Certainty
from bench.reports.comparison import compare
from bench.reports.costs import latency_difference
from bench.reports.verdict import verdict
from bench.reports.wording import number, signed
from bench.statistics import plan


@pytest.fixture
def say(make_run):
    def say(*records, **parts):
        (comparison,) = compare([make_run(records=list(records), **parts)])
        return verdict(comparison)

    return say


@pytest.fixture
def names_of_runs():
    return (f"timed-{number}" for number in range(10_000))


class Judge:
    """judge(a=(0.5, 0.51), b=(0.4,), image_sd=...) -> the verdict, where images are so much chance."""

    def __init__(self, compared):
        self.compared = compared
        self.known = None

    def __call__(
        self, *, image_sd, shared=False, units=200, class_times=1, rare=None, **models: tuple[float, ...]
    ):
        aps = [ap for values in models.values() for ap in values]
        chance = np.random.default_rng(0)
        luck = np.repeat(
            chance.normal(0, image_sd, (400, 1 if shared else len(models))),
            [len(aps)] if shared else [len(values) for values in models.values()],
            axis=1,
        )
        names, values, draws = (
            ["AP", "AP/cat"],
            [aps, aps],
            [luck, class_times * luck],
        )
        if rare:
            names.append("AP_rare")
            values.append([rare[name] + ap - 0.5 for name, of_model in models.items() for ap in of_model])
            draws.append(luck)
        self.known = Certainty(
            tuple(models),
            tuple(len(of_model) for of_model in models.values()),
            tuple(names),
            np.array(values).T,
            np.stack(draws, axis=2) + np.array(values).T,
            200,
            units,
        )
        return verdict(self.compared(models), self.known)


@pytest.fixture
def judge(make_run, make_record):
    number = iter(range(10_000))

    def compared(models):
        records = [make_record(name, seed, ap) for name, aps in models.items() for seed, ap in enumerate(aps)]
        (comparison,) = compare([make_run(f"run-{next(number)}", records=records)])
        return comparison

    return Judge(compared)


def test_best_is_ahead_of_every_rival(judge):
    found = judge(a=(0.50, 0.51, 0.52), b=(0.40, 0.41, 0.42), c=(0.30, 0.31, 0.32), image_sd=0.01)
    assert found.answer == (
        "a is best on this data: test AP 0.510, 0.100 ahead of b (0.410), means over 3 seeds each."
    )
    assert found.certainty.startswith("a minus b: +0.100 (+0.0")
    assert "They cover the choice of test images and the seeds, all 3 pairs at once." in found.certainty
    assert "unseen" not in found.certainty and "separate" not in found.more


def test_ahead_of_the_runner_up_alone_is_not_best(judge):
    found = judge(a=(0.50, 0.51, 0.52), b=(0.45, 0.46, 0.47), c=(0.30, 0.40, 0.60), image_sd=0.0005)
    assert found.answer.startswith("Which of a and c is better can't be told on this data: test AP 0.510 and")
    assert "a is ahead of b (0.460)." in found.answer


def test_two_seeds_that_are_far_apart_bound_nothing(judge):
    found = judge(a=(0.20, 0.70), b=(0.10, 0.60), image_sd=0.02)
    assert "Any difference could have gone unseen" in found.certainty
    assert "A true difference of up to" not in found.certainty


def test_all_rivals_that_can_t_be_told_apart_are_named(judge):
    found = judge(a=(0.50, 0.54), b=(0.50, 0.53), c=(0.49, 0.53), d=(0.10, 0.11), image_sd=0.02)
    assert found.answer.startswith(
        "Which of a, b and c is best can't be told on this data: test AP 0.520, 0.515"
    )
    assert "a is ahead of d (0.105)" in found.answer
    assert "could have gone unseen" in found.certainty
    assert (
        "Probability of being the best: a " in found.certainty
        and " d " not in found.certainty.split("best: ")[1]
    )


def test_as_good_as_needs_an_interval_within_the_margin(judge):
    same = judge(a=(0.500, 0.501, 0.502), b=(0.499, 0.500, 0.501), image_sd=0.001, shared=True)
    assert same.answer.startswith("b is as good as a on this data, within 0.010 AP: test AP 0.501 and 0.500")
    assert "unseen" not in same.certainty
    wide = judge(a=(0.500, 0.501, 0.502), b=(0.499, 0.500, 0.501), image_sd=0.02)
    assert wide.answer.startswith("Which of a and b is better can't be told")
    little = judge(a=(0.505, 0.5051, 0.5052), b=(0.500, 0.5001, 0.5002), image_sd=0.0002)
    assert little.answer.startswith("a is best on this data, by less than 0.010 AP: test AP 0.505")


def test_one_seed_is_never_best(judge):
    found = judge(a=(0.5,), b=(0.3,), image_sd=0.01)
    assert (
        found.answer == "a came first on this data: test AP 0.500, 0.200 ahead of b (0.300), one seed each."
    )
    assert "but not the training: one seed each can't tell" in found.certainty
    mixed = judge(a=(0.5, 0.51), b=(0.3,), image_sd=0.01)
    assert mixed.answer.startswith("a came first") and "the one seed of b can't tell" in mixed.certainty


def test_on_few_images_the_claim_is_weaker(judge):
    found = judge(a=(0.50, 0.51, 0.52), b=(0.40, 0.41, 0.42), image_sd=0.01, units=40)
    assert found.answer.startswith("a is probably best on this data")


def test_what_more_would_tell(judge):
    seeds = judge(a=(0.52, 0.56, 0.60), b=(0.47, 0.51, 0.56), image_sd=0.001)
    assert "seeds each would probably show it" in seeds.more
    images = judge(a=(0.530, 0.531, 0.532), b=(0.510, 0.511, 0.512), image_sd=0.02)
    assert "no number of seeds would show it on this test split; a test split of about " in images.more
    assert "The test split is small: 200 test images settle differences from 0.0" in images.more
    single = judge(a=(0.53,), b=(0.51,), image_sd=0.02)
    assert single.more.startswith("Train at least three seeds of each model")


def test_a_split_that_is_large_enough_says_so(judge):
    found = judge(a=(0.53, 0.56), b=(0.51, 0.55), image_sd=0.001)
    assert "The test split is large enough: 200 test images settle differences of 0.00" in found.more
    assert (
        "Single classes need larger differences: 0."
        in judge(a=(0.53, 0.56), b=(0.51, 0.55), image_sd=0.001, class_times=100).more
    )


def test_groups_are_named(judge):
    found = judge(a=(0.50, 0.51), b=(0.48, 0.49), image_sd=0.01, units=120)
    assert "They cover the choice of the 120 groups of test images and the seeds." in found.certainty


def test_who_is_ahead_in_another_figure_is_named(judge):
    found = judge(a=(0.50, 0.51, 0.52), b=(0.40, 0.41, 0.42), image_sd=0.005, rare={"a": 0.1, "b": 0.3})
    assert "b is ahead of a in AP of the rare classes: +0.100 (+0.0" in found.trade_off
    assert "rare classes" not in judge(a=(0.5, 0.51), b=(0.4, 0.41), image_sd=0.005).trade_off


@pytest.mark.slow
def test_without_predictions_the_order_is_told_and_no_more(say, make_record):
    found = say(
        make_record("a", 0, 0.50),
        make_record("a", 1, 0.54),
        make_record("b", 0, 0.40),
        make_record("b", 1, 0.44),
    )
    assert found.answer.startswith("a came first on this data: test AP 0.520, 0.100 ahead of b (0.420)")
    assert "the predictions of a-s0 are not those of its record" in found.certainty
    assert found.more == ""
    level = say(make_record("a", 0, 0.5), make_record("b", 0, 0.5))
    assert level.answer == "a and b have the same test AP on this data: 0.500, one seed."


def test_unequal_seeds_and_failures(say, make_record, make_failed):
    found = say(
        make_record("a", 0, 0.5), make_record("a", 1, 0.5), make_record("b", 0, 0.4), make_failed("b", 1)
    )
    assert "over 2 and 1 seeds" in found.answer
    assert any("1 cell failed" in caution for caution in found.cautions)
    assert any("same seeds" in caution for caution in found.cautions)


AP = st.floats(0.1, 0.9)


@pytest.mark.slow
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.lists(AP, min_size=1, max_size=4), min_size=2, max_size=4),
    st.sampled_from((0.0, 0.0005, 0.005, 0.03)),
    st.booleans(),
)
def test_sentences_never_contradict_the_intervals_or_each_other(judge, values, image_sd, shared):
    models = dict(zip("abcd", values, strict=False))
    found = judge(**models, image_sd=image_sd, shared=shared)
    intervals = judge.known.comparison("AP")
    first, *others = intervals.order
    pairs = {other: intervals.difference(first, other) for other in others}
    single = any(len(aps) == 1 for aps in values)
    best = f"{first} is best" in found.answer
    assert best == (all(pair.ahead for pair in pairs.values()) and not single)
    assert ("can't be told" in found.answer) <= any(not pair.ahead for pair in pairs.values())
    if "as good as" in found.answer:
        named = found.answer.split(" as good as")[0]
        assert all(
            pair.equivalent for other, pair in pairs.items() if other in named.split(" on ")[0].split()
        )
    open_ = [pair for pair in pairs.values() if not pair.ahead and not pair.equivalent]
    assert ("gone unseen" in found.certainty) == bool(open_) == ("Probability" in found.certainty)
    for pair in pairs.values():
        assert f"({signed(pair.low)} to {signed(pair.high)})" in found.certainty
    for pair in open_:  # every rival that can't be told apart is in the headline
        assert pair.other in found.answer.split(":")[0].replace(",", "").split()
    if best or not open_:
        assert "would probably" not in found.more
    if "seeds each would probably show it" in found.more:
        planned = [
            plan(
                intervals.sample,
                intervals.sample.models.index(first),
                intervals.sample.models.index(other),
                len(intervals.differences),
            ).seeds
            for other in intervals.rivals
        ]
        assert any(planned)


def test_a_single_model_is_compared_with_nothing(say, make_record):
    found = say(make_record("a", 0, 0.5))
    assert found.answer.startswith("a reached a test AP of 0.500, one seed")


def test_nothing_but_failures(say, make_failed):
    assert say(make_failed("a", 0)).answer.startswith("No model has a test AP")


def test_trade_offs_name_who_is_quicker_and_smaller(say, make_record):
    found = say(
        make_record("good", 0, 0.5, parameters=40_000_000, latency_ms=80.0),
        make_record("small", 0, 0.3, parameters=3_000_000, latency_ms=10.0),
    )
    assert (
        "small was quicker, timed once: 10.0 ms an image instead of 80.0 ms, at a test AP of 0.300"
        in found.trade_off
    )
    assert "small is smaller: 3.00 M parameters instead of 40.0 M" in found.trade_off


@pytest.mark.slow
def test_quicker_is_said_where_repeated_timing_shows_it(say, make_record):
    good = [make_record("good", seed, 0.5, latency_ms=80.0) for seed in (0, 1, 2)]
    quick = [make_record("quick", seed, 0.3, latency_ms=10.0) for seed in (0, 1, 2)]
    assert "quick is quicker: 11.0 ms an image instead of 81.0 ms (by 6" in say(*good, *quick).trade_off
    unsteady = [make_record("quick", seed, 0.3, latency_ms=ms) for seed, ms in enumerate((10.0, 150.0, 20.0))]
    assert "quicker" not in say(*good, *unsteady).trade_off

    def in_rounds(model, ap, rounds):
        made = make_record(model, 0, ap, latency_ms=rounds[0])
        return made.model_copy(
            update={"efficiency": made.efficiency.model_copy(update={"latency_rounds_ms": rounds})}
        )

    told = say(in_rounds("a", 0.5, (20.0, 21.0, 20.5)), in_rounds("b", 0.4, (10.0, 10.5, 10.2))).trade_off
    assert "b is quicker: 10.0 ms an image instead of 20.0 ms (by 9" in told


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    latencies=st.lists(st.floats(5, 100), min_size=2, max_size=3),
    unsteady=st.sampled_from((0.0, 0.02, 0.5)),
    repeats=st.integers(1, 4),
    chance=st.randoms(use_true_random=False),
)
def test_quicker_is_never_said_against_its_interval(
    make_run, make_record, names_of_runs, latencies, unsteady, repeats, chance
):
    """Of simulated timings: true latencies, and repetitions that scatter by so much."""
    records = [
        make_record(
            model, seed, 0.9 - 0.1 * place, latency_ms=latency * (1 + unsteady * (2 * chance.random() - 1))
        )
        for place, (model, latency) in enumerate(zip("abc", latencies, strict=False))
        for seed in range(repeats)
    ]
    (comparison,) = compare([make_run(next(names_of_runs), records=records)])
    told = verdict(comparison).trade_off
    timed = {model: [r for r in records if r.model == model] for model in "abc"[: len(latencies)]}
    means = {model: np.mean([r.efficiency.latency_ms for r in of]) for model, of in timed.items()}
    quickest = min(means, key=means.get)
    for model in set(timed) - {quickest, "a"}:
        assert f"{model} is quicker" not in told and f"{model} was quicker" not in told
    if quickest == "a" or repeats == 1:
        assert "is quicker" not in told
    else:
        difference = latency_difference(timed, quickest, "a")
        assert (f"{quickest} is quicker" in told) <= difference.behind
        if f"{quickest} is quicker" in told:
            assert f"(by {number(-difference.high)} to {number(-difference.low)} ms)" in told
        elif difference.behind:  # by too little to be named
            assert means[quickest] > 0.95 * means["a"]


@pytest.mark.parametrize(("less", "named"), [(0.96, False), (0.95, True), (0.94, True)])
def test_who_is_less_than_a_twentieth_quicker_or_smaller_is_not_named(say, make_record, less, named):
    found = say(
        make_record("good", 0, 0.5, parameters=1_000_000, latency_ms=100.0),
        make_record("other", 0, 0.3, parameters=round(1_000_000 * less), latency_ms=100 * less),
    )
    assert ("other was quicker" in found.trade_off, "other is smaller" in found.trade_off) == (named, named)


def test_the_best_that_is_also_the_cheapest(say, make_record):
    found = say(
        make_record("good", 0, 0.5, parameters=1_000_000, latency_ms=5.0),
        make_record("other", 0, 0.3, parameters=3_000_000, latency_ms=10.0),
    )
    assert found.trade_off == "good is also the smallest.", "timed once, it is not said to be quick"


def test_quickest_and_smallest_are_said_where_they_are_more_than_noise(say, make_record):
    def both(latency_ms, parameters):
        records = [make_record("good", seed, 0.5, latency_ms=5.0, parameters=1_000_000) for seed in (0, 1, 2)]
        other = {"latency_ms": latency_ms, "parameters": parameters}
        return say(*records, *(make_record("other", seed, 0.3, **other) for seed in (0, 1, 2))).trade_off

    assert both(50.0, 3_000_000) == "good is also the smallest and the quickest."
    assert both(5.1, 3_000_000) == "good is also the smallest."
    assert both(5.1, 1_002_000) == "", "0.2 % more parameters are none to tell of"


def test_a_busy_machine_is_named_beside_latencies(say, make_record):
    def timed(load: float) -> list[str]:
        record = make_record("a", 0, 0.5)
        cost = record.efficiency.model_copy(update={"other_load": load})
        return say(record.model_copy(update={"efficiency": cost}), make_record("b", 0, 0.4)).cautions

    assert not any("CPU cores busy" in caution for caution in timed(0.4))
    assert any("kept up to 1.3 CPU cores busy" in caution for caution in timed(1.26))


def test_cautions_about_starts_and_scores(say, make_record):
    found = say(make_record("a", 0, 0.02), make_record("frcnn", 0, 0.01))
    assert found.answer.startswith("No model finds much on this data yet: a has a test AP of 0.020")
    assert any("the order says little" in caution for caution in found.cautions)
    assert any("pretrained on different data" in caution for caution in found.cautions)
    assert any("96 images" in caution for caution in found.cautions)


def test_cells_that_are_not_finished_are_named(say, make_record):
    found = say(make_record("a", 0, 0.5), cells=("a-s0", "a-s1"))
    assert any("a-s1" in caution for caution in found.cautions)


def test_a_test_split_without_boxes_is_said_to_be_the_cause(say, make_record):
    test = make_record("a", 0, 0.5).test
    assert test is not None
    empty = test.model_copy(update={"boxes": 0, "coco": test.coco.model_copy(update={"AP": None})})
    found = say(make_record("a", 0, 0.5, test=empty))
    assert found.answer.startswith("No model has a test AP: the test split (96 images) has no boxes")


@pytest.mark.parametrize(
    ("shared", "settings"), [(1, "1 group of images is"), (148, "148 groups of images are")]
)
def test_a_split_that_leaks_is_the_first_caution(make_run, make_record, shared, settings):
    run = make_run(records=[make_record("a", 0, 0.5)])
    manifest = json.loads(run.manifest_path.read_text())
    manifest["split"]["shared_groups"] = shared
    run.manifest_path.write_text(json.dumps(manifest))
    (comparison,) = compare([run])
    first = verdict(comparison).cautions[0]
    assert first.startswith(f"{settings} in more than one split: if they look alike")
    assert "split.kind: grouped" in first


def test_final_trainings_rank_and_the_page_says_so(say, make_final, make_record):
    found = say(make_final("a", 0, 0.4, 0.6), make_final("b", 0, 0.5, 0.55))
    assert found.answer.startswith("a came first on this data: test AP 0.600, 0.050 ahead of b (0.550)")
    assert any("Ranked by the final trainings" in caution for caution in found.cautions)
    assert not any("final" in caution for caution in say(make_record("c", 0, 0.4)).cautions)


def test_a_final_training_does_not_compare_with_none(say, make_final, make_record):
    found = say(make_final("a", 0, 0.4, 0.6), make_record("b", 0, 0.5))
    (told,) = [caution for caution in found.cautions if "train and val together" in caution]
    assert "(a)" in told and "can't be compared" in told


@pytest.mark.slow
def test_runs_that_call_other_classes_rare_are_told_apart(make_run, make_record):
    def of(model, names):
        record = make_record(model, 0, 0.5)
        test = record.test.model_copy(update={"AP_rare": 0.1})
        return record.model_copy(update={"test": test, "rare_classes": names})

    alike = compare([make_run("one", records=[of("a", ("bottle",)), of("b", ("bottle",))])])
    assert not any("rare" in caution for caution in verdict(alike[0]).cautions)
    apart = compare([make_run("two", records=[of("a", ("bottle",)), of("b", ("can",))])])
    assert any("different rare classes" in caution for caution in verdict(apart[0]).cautions)
