"""What is said of best against standard, and that the figures support it."""

import pytest
from scipy import stats

from bench.errors import RunError
from bench.reports import search_verdicts
from bench.reports.paired import Paired
from bench.reports.ranking import test_ap as ap_of
from bench.reports.search.folder import read_search
from bench.reports.search.verdict import finals, headline


@pytest.fixture
def said(make_search, search_record, final_records):
    """said(differences by seed) -> the verdict on detr, the one model."""

    def said(*differences, **changes):
        record = search_record(models=("detr",), trials=3, **changes)
        (verdict,) = search_verdicts(make_search(record, final_records({"detr": differences})))
        return verdict

    return said


def test_a_difference_beyond_the_seeds_is_better(said):
    verdict = said(0.036, 0.031, 0.034)
    assert verdict.startswith("detr: the best setting is better than standard on test. Test AP: +0.034 (")
    assert "paired over 3 seeds" in verdict and "<b>lid</b> and straw" in verdict


def test_a_difference_below_zero_is_worse(said):
    assert "is worse than standard on test" in said(-0.036, -0.031, -0.034)


def test_a_difference_within_the_seeds_is_none(said):
    assert said(0.06, -0.02, 0.01).startswith(
        "detr: no difference between best setting and standard beyond the spread of the seeds."
    )


def test_one_seed_can_t_tell(said):
    verdict = said(0.1, seeds=(0,))
    assert "whether the best setting is better than standard can't be told" in verdict
    assert "+0.100 (0.500 against 0.400) in one seed" in verdict


def test_what_does_not_show_in_three_digits_is_no_difference(said):
    assert "no difference between" in said(0.0003, 0.0003, 0.0003)


def test_seeds_that_change_nothing_are_told(said):
    assert "+0.050 (0.460 against 0.410), the same in all 3 seeds" in said(0.05, 0.05, 0.05)


def test_without_final_trainings_nothing_is_claimed(make_search, search_record):
    asked = search_record(models=("detr",), trials=3, final=None)
    (verdict,) = search_verdicts(make_search(asked, records=[]))
    assert "can't be told. The final trainings have not begun." in verdict
    (verdict,) = search_verdicts(make_search(asked.model_copy(update={"seeds": ()}), records=[]))
    assert "No final trainings were asked for" in verdict


def test_a_study_without_a_finished_trial_says_why(make_search, search_record):
    record = search_record(models=("detr",), trials=12, final=None)
    (study,) = record.studies
    failed = study.model_copy(update={"trials": (study.trials[11],), "best": None})
    (verdict,) = search_verdicts(make_search(record.model_copy(update={"studies": (failed,)}), records=[]))
    assert "no trial has finished" in verdict and "out of memory" in verdict


def test_seeds_are_paired_and_those_that_do_not_count_left_out(
    make_search, search_record, final_records, make_invalid
):
    records = final_records({"detr": (0.03, 0.04, 0.05)})
    records = [r for r in records if r.cell != "detr-best-seed1"] + [make_invalid("detr-best", 1)]
    (final,) = finals(read_search(make_search(search_record(models=("detr",), trials=3), records)))
    assert final.ap.seeds == (0, 2)
    assert final.ap.differences == pytest.approx((0.03, 0.05))


def test_the_interval_is_that_of_scipy_s_paired_t_test(make_record):
    old, new = (0.40, 0.43, 0.38, 0.41), (0.44, 0.45, 0.43, 0.42)
    base = {seed: make_record("a", seed, ap) for seed, ap in enumerate(old)}
    ours = {seed: make_record("b", seed, ap) for seed, ap in enumerate(new)}
    paired = Paired.of(ap_of, base, ours)
    theirs = stats.ttest_rel(new, old).confidence_interval(0.95)
    assert paired.interval == pytest.approx((theirs.low, theirs.high))


def test_wins_and_losses_by_class(make_search):
    detr, _, frcnn = finals(read_search(make_search()))
    assert len(detr.wins) > len(detr.losses) and len(frcnn.losses) > len(frcnn.wins)
    assert [pair.name for pair in detr.classes if pair.rare] == ["<b>lid</b>", "straw"]
    assert [pair.name for pair in detr.classes if pair.ap is None] == ["foam"]


def test_all_models_in_one_sentence(make_search):
    assert headline(finals(read_search(make_search()))) == (
        "On test, the best setting that was found is better than standard for detr; worse for frcnn; "
        "no different beyond the spread of the seeds for yolo."
    )


def test_what_is_no_search_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no search\.json"):
        search_verdicts(tmp_path)
    (tmp_path / "search.json").write_text('{"version": 2}')
    with pytest.raises(RunError, match="no search of this version"):
        search_verdicts(tmp_path)
