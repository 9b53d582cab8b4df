"""What is said of best against standard, and that the figures support it."""

import re
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import RunError
from bench.reports import search_verdicts
from bench.reports.search.folder import read_search
from bench.reports.search.verdict import finals, headline


@pytest.fixture
def said(make_search, search_record, final_records, certain):
    """said(differences by seed) -> the verdict on detr, the one model, on a large test split."""

    def said(*differences, image_sd=0.0005, **changes):
        certain(image_sd)
        record = search_record(models=("detr",), trials=3, **changes)
        (verdict,) = search_verdicts(make_search(record, final_records({"detr": differences})))
        return verdict

    return said


def test_a_difference_beyond_images_and_seeds_is_better(said):
    verdict = said(0.036, 0.031, 0.034)
    assert verdict.startswith("detr: the best setting is better than standard on test. Test AP: +0.034 (")
    assert "over test images and 3 seeds each" in verdict and "<b>lid</b> and straw" in verdict


def test_a_difference_below_zero_is_worse(said):
    assert "is worse than standard on test" in said(-0.036, -0.031, -0.034)


def test_what_test_images_could_explain_is_not_better(said):
    verdict = said(0.036, 0.031, 0.034, image_sd=0.05)
    assert verdict.startswith("detr: whether the best setting is better than standard can't be told.")
    assert "A true difference of up to 0.1" in verdict


def test_a_difference_within_the_seeds_can_t_be_told(said):
    assert said(0.06, -0.02, 0.01).startswith("detr: whether the best setting is better than standard can't")


def test_within_the_margin_is_as_good(said, monkeypatch):
    monkeypatch.setattr("bench.reports.search.verdict._margin", lambda run: 0.03)
    verdict = said(0.001, 0.001, 0.001)
    assert verdict.startswith("detr: the best setting is as good as standard on test, within 0.030 AP.")
    assert "unseen" not in verdict


def test_one_seed_can_t_tell(said):
    verdict = said(0.1, seeds=(0,))
    assert "whether the best setting is better than standard can't be told" in verdict
    assert "+0.100 (0.500 against 0.400), 95 % interval +0.0" in verdict
    assert "one seed can't tell how far another training would be" in verdict


@pytest.mark.slow
def test_without_predictions_the_reason_is_told(make_search, search_record, final_records):
    record = search_record(models=("detr",), trials=3)
    (verdict,) = search_verdicts(make_search(record, final_records({"detr": (0.03, 0.04, 0.05)})))
    assert "can't be told. Test AP: +0.040" in verdict
    assert "How much of it is chance can't be told: the predictions of detr-best-seed0 are not" in verdict


def test_more_models_ask_for_more(make_search, search_record, final_records, certain):
    certain(0.0005)
    one, several = ("detr",), ("detr", "yolo", "frcnn")
    widths = []
    for models in (one, several):
        records = final_records(dict.fromkeys(models, (0.03, 0.04, 0.05)))
        folder = make_search(search_record(models=models, trials=3), records)
        widths.append(finals(read_search(folder))[0].ap.difference.half_width)
        shutil.rmtree(folder)
    assert widths[1] > 1.3 * widths[0]


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


@pytest.mark.slow
def test_seeds_are_paired_and_those_that_do_not_count_left_out(
    make_search, search_record, final_records, make_invalid
):
    records = final_records({"detr": (0.03, 0.04, 0.05)})
    records = [r for r in records if r.cell != "detr-best-seed1"] + [make_invalid("detr-best", 1)]
    (final,) = finals(read_search(make_search(search_record(models=("detr",), trials=3), records)))
    assert final.ap.seeds == (0, 2)
    assert final.ap.differences == pytest.approx((0.03, 0.05))


def test_classes_are_counted_where_their_intervals_say_so(make_search, certain):
    certain(0.0005)
    detr, _, frcnn = finals(read_search(make_search()))
    for final in (detr, frcnn):
        told = [pair for pair in final.classes if pair.ap and pair.ap.outcome in ("better", "worse")]
        assert sorted(p.name for p in told) == sorted(p.name for p in (*final.wins, *final.losses))
        assert len(told) < len(final.classes)  # most of what differs in sign is chance
    assert [pair.name for pair in detr.classes if pair.rare] == ["<b>lid</b>", "straw"]
    assert [pair.name for pair in detr.classes if pair.ap is None] == ["foam"]


def test_all_models_in_one_sentence(make_search, certain):
    certain(0.0005)
    assert headline(finals(read_search(make_search()))) == (
        "On test, the best setting that was found is better than standard for detr; worse for frcnn; "
        "neither surely better nor surely as good for yolo."
    )


SAID = {
    "better": "is better than standard on test",
    "worse": "is worse than standard on test",
    "same": "is as good as standard on test",
    "unknown": "whether the best setting is better than standard can't be told",
}
IN_HEADLINE = {
    "better than": "better",
    "worse for": "worse",
    "as good as standard": "same",
    "neither": "unknown",
}


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gains=st.lists(st.just(0.0) | st.floats(-0.1, 0.1), min_size=3, max_size=3),
    spread=st.sampled_from((0.0, 0.002, 0.02)),
    seeds=st.integers(1, 3),
    image_sd=st.sampled_from((0.0005, 0.003, 0.03)),
)
def test_claims_headline_and_printed_intervals_agree(
    make_search, search_record, final_records, certain, monkeypatch, gains, spread, seeds, image_sd
):
    """Of simulated searches: true gains, seeds that differ, test images that are so much chance."""
    certain(image_sd)
    monkeypatch.setattr("bench.reports.search.verdict._margin", lambda run: 0.05)
    models = ("detr", "yolo", "frcnn")
    differences = {
        model: tuple(gain + spread * (seed - 1) for seed in range(seeds))
        for model, gain in zip(models, gains, strict=True)
    }
    folder = make_search(search_record(models=models, trials=3), final_records(differences))
    found = finals(read_search(folder))
    shutil.rmtree(folder)
    for final in found:
        low, high = (
            float(end.replace("\N{MINUS SIGN}", "-"))
            for end in re.search(r"95 % interval (\S+) to (\S+) over", final.detail).groups()
        )
        assert [kind for kind, words in SAID.items() if words in final.sentence] == [final.outcome]
        assert (final.outcome == "better") <= (low >= 0) and (final.outcome == "worse") <= (high <= 0)
        assert (final.outcome == "same") <= (low >= -0.05 and high <= 0.05)
        if seeds == 1:
            assert final.outcome == "unknown" and "another training" in final.detail
        elif final.outcome == "unknown":
            assert low <= 0 <= high and "gone unseen" in final.detail
        else:
            assert low > -0.0005 or high < 0.0005 or final.outcome == "same"
            assert "gone unseen" not in final.detail
    parts = headline(found).removeprefix("On test, the best setting that was found is ").split("; ")
    placed = [
        (model, IN_HEADLINE[next(words for words in IN_HEADLINE if part.startswith(words))])
        for part in parts
        for model in models
        if re.search(rf"\b{model}\b", part)
    ]
    assert sorted(placed) == sorted((final.study.model, final.outcome) for final in found)


def test_what_is_no_search_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no search\.json"):
        search_verdicts(tmp_path)
    (tmp_path / "search.json").write_text('{"version": 2}')
    with pytest.raises(RunError, match="no search of this version"):
        search_verdicts(tmp_path)
