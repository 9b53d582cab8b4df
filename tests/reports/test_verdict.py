import json

import pytest

from bench.reports.comparison import compare
from bench.reports.verdict import clean_order_chance, verdict


@pytest.fixture
def say(make_run):
    def say(*records, **parts):
        (comparison,) = compare([make_run(records=list(records), **parts)])
        return verdict(comparison)

    return say


def test_seeds_that_do_not_overlap(say, make_record):
    found = say(
        make_record("a", 0, 0.50),
        make_record("a", 1, 0.54),
        make_record("b", 0, 0.40),
        make_record("b", 1, 0.44),
    )
    assert found.answer.startswith("a is best on this data: test AP 0.520, 0.100 ahead of b (0.420)")
    assert "means over 2 seeds each" in found.answer
    assert "ahead in every seed" in found.certainty
    assert "33.3 %" in found.certainty


def test_seeds_that_overlap_leave_the_order_open(say, make_record):
    found = say(
        make_record("a", 0, 0.40),
        make_record("a", 1, 0.60),
        make_record("b", 0, 0.45),
        make_record("b", 1, 0.47),
    )
    assert found.answer.startswith("a came first")
    assert "may be chance" in found.certainty
    assert "open" in found.certainty


def test_one_seed_can_not_tell_chance(say, make_record):
    found = say(make_record("a", 0, 0.5), make_record("b", 0, 0.4))
    assert found.answer.startswith("a came first on this data: test AP 0.500")
    assert "one seed each" in found.answer
    assert "One seed can't tell" in found.certainty


def test_unequal_seeds_name_the_one_with_a_single_seed(say, make_record, make_failed):
    found = say(
        make_record("a", 0, 0.5), make_record("a", 1, 0.5), make_record("b", 0, 0.4), make_failed("b", 1)
    )
    assert "over 2 seeds against 1" in found.answer
    assert "The one seed of b" in found.certainty
    assert any("1 cell failed" in caution for caution in found.cautions)
    assert any("same seeds" in caution for caution in found.cautions)


def test_level_models_are_not_ranked(say, make_record):
    assert "are level" in say(make_record("a", 0, 0.5), make_record("b", 0, 0.5)).answer


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
    assert "small is quicker: 10.0 ms a picture instead of 80.0 ms, at a test AP of 0.300" in found.trade_off
    assert "small is smaller: 3.00 M parameters instead of 40.0 M" in found.trade_off


def test_a_hair_s_breadth_is_no_trade_off(say, make_record):
    found = say(
        make_record("good", 0, 0.5, parameters=1_000_000, latency_ms=5.0),
        make_record("other", 0, 0.3, parameters=999_000, latency_ms=4.9),
    )
    assert found.trade_off == ""


def test_the_best_that_is_also_the_cheapest(say, make_record):
    found = say(
        make_record("good", 0, 0.5, parameters=1_000_000, latency_ms=5.0),
        make_record("other", 0, 0.3, parameters=3_000_000, latency_ms=10.0),
    )
    assert "also the quickest and the smallest" in found.trade_off


def test_cautions_about_starts_and_scores(say, make_record):
    found = say(make_record("a", 0, 0.02), make_record("frcnn", 0, 0.01))
    assert found.answer.startswith("No model finds much on this data yet: a has a test AP of 0.020")
    assert any("the order says little" in caution for caution in found.cautions)
    assert any("did not start alike" in caution for caution in found.cautions)
    assert any("96 pictures" in caution for caution in found.cautions)


def test_cells_that_are_not_finished_are_named(say, make_record):
    found = say(make_record("a", 0, 0.5), cells=("a-s0", "a-s1"))
    assert any("a-s1" in caution for caution in found.cautions)


@pytest.mark.parametrize(
    ("mine", "theirs", "chance"), [(1, 1, 1.0), (2, 2, 1 / 3), (3, 3, 0.1), (5, 5, 1 / 126)]
)
def test_chance_of_a_clean_order(mine, theirs, chance):
    assert clean_order_chance(mine, theirs) == pytest.approx(chance)


def test_a_test_split_without_boxes_is_said_to_be_the_cause(say, make_record):
    test = make_record("a", 0, 0.5).test
    assert test is not None
    empty = test.model_copy(update={"boxes": 0, "coco": test.coco.model_copy(update={"AP": None})})
    found = say(make_record("a", 0, 0.5, test=empty))
    assert found.answer.startswith("No model has a test AP: the test split (96 pictures) has no boxes")


@pytest.mark.parametrize(
    ("shared", "settings"), [(1, "1 group of pictures stands"), (148, "148 groups of pictures stand")]
)
def test_a_split_that_leaks_is_the_first_caution(make_run, make_record, shared, settings):
    run = make_run(records=[make_record("a", 0, 0.5)])
    manifest = json.loads(run.manifest_path.read_text())
    manifest["split"]["shared_groups"] = shared
    run.manifest_path.write_text(json.dumps(manifest))
    (comparison,) = compare([run])
    first = verdict(comparison).cautions[0]
    assert first.startswith(f"{settings} in more than one split: test figures come out too good")
    assert "split.kind: grouped" in first


def test_final_trainings_rank_and_the_page_says_so(say, make_final, make_record):
    found = say(make_final("a", 0, 0.4, 0.6), make_final("b", 0, 0.5, 0.55))
    assert found.answer.startswith("a came first on this data: test AP 0.600, 0.050 ahead of b (0.550)")
    assert any("Ranked by the final trainings" in caution for caution in found.cautions)
    assert not any("final" in caution for caution in say(make_record("c", 0, 0.4)).cautions)


def test_a_final_training_does_not_compare_with_none(say, make_final, make_record):
    found = say(make_final("a", 0, 0.4, 0.6), make_record("b", 0, 0.5))
    (told,) = [caution for caution in found.cautions if "train and val together" in caution]
    assert "(a)" in told and "do not compare" in told


def test_runs_that_call_other_classes_rare_are_told_apart(make_run, make_record):
    def of(model, names):
        record = make_record(model, 0, 0.5)
        test = record.test.model_copy(update={"AP_rare": 0.1})
        return record.model_copy(update={"test": test, "rare_classes": names})

    alike = compare([make_run("one", records=[of("a", ("bottle",)), of("b", ("bottle",))])])
    assert not any("rare" in caution for caution in verdict(alike[0]).cautions)
    apart = compare([make_run("two", records=[of("a", ("bottle",)), of("b", ("can",))])])
    assert any("different rare classes" in caution for caution in verdict(apart[0]).cautions)
