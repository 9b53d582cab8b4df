"""Models that differ in their loss alone are set against the one with the standard loss."""

import pytest

from bench.loss import LossConfig
from bench.reports.comparison import compare
from bench.reports.losses import against_standard
from bench.reports.page import render

RECIPE = {"epochs": 12, "lr": 0.001}


@pytest.fixture
def cells(make_record):
    """cells(model, APs by seed, loss words, other changes) -> its records."""

    def cells(model, aps, settings=None, **changes):
        loss = LossConfig.model_validate(settings or {}).model_dump(mode="json")
        changes = {"recipe": {**RECIPE, "loss": loss}, "options": {"queries": 6}, "ledger": (), **changes}
        made = [make_record(model, seed, ap, **changes) for seed, ap in enumerate(aps)]
        return [r.model_copy(update={"description": made[0].description}) for r in made]

    return cells


def test_each_loss_is_paired_with_standard_by_seed(cells, make_run, certain):
    certain(0.0005)
    run = make_run(
        records=[
            *cells("detr-standard", (0.40, 0.42, 0.41)),
            *cells("detr-focal", (0.45, 0.47, 0.455), {"classification": "focal"}),
            *cells("detr-weighted", (0.40, 0.43, 0.40), {"classification": "weighted"}),
        ]
    )
    (comparison,) = compare([run])
    focal, weighted = against_standard(comparison)
    assert (focal.contestant.label, focal.standard.label) == ("detr-focal", "detr-standard")
    assert focal.ap.differences == pytest.approx((0.05, 0.05, 0.045)) and focal.ap.outcome == "better"
    assert weighted.ap.outcome == "unknown" and weighted.rare_ap is None
    page = render([comparison])
    assert "Loss against standard" in page and "<b>+0.048</b>" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [
        {"recipe": {**RECIPE, "lr": 0.01, "loss": {"classification": "focal"}}},
        {"options": {"queries": 50}},
    ],
)
def test_models_that_differ_in_more_are_not(cells, make_run, other):
    settings = {"classification": "focal"}
    run = make_run(records=[*cells("detr-a", (0.4,)), *cells("detr-b", (0.5,), settings, **other)])
    (comparison,) = compare([run])
    assert against_standard(comparison) == []
    assert "Loss against standard" not in render([comparison])


def test_a_word_that_families_keep_among_their_options_is_still_the_loss(cells, make_run):
    settings = {"class_coefficient": 2.0}
    options = {"queries": 6, "class_loss": 2.0}
    run = make_run(records=[*cells("detr-a", (0.4,)), *cells("detr-b", (0.5,), settings, options=options)])
    (comparison,) = compare([run])
    assert [row.contestant.label for row in against_standard(comparison)] == ["detr-b"]
