import json

import pytest

from bench.errors import RunError
from bench.reports.differences import differences


@pytest.fixture
def compared(make_run, make_record, certain):
    def compared(image_sd=0.001, figure="AP", **models):
        certain(image_sd)
        records = [make_record(name, seed, ap) for name, aps in models.items() for seed, ap in enumerate(aps)]
        (found,) = differences([make_run(records=records)], figure)
        return found

    return compared


def test_a_script_reads_every_pair_with_its_interval(compared):
    found = compared(a=(0.50, 0.51), b=(0.40, 0.41), c=(0.405, 0.412))
    plain = json.loads(json.dumps(found.as_json()))
    assert [model["model"] for model in plain["models"]] == ["a", "c", "b"]
    assert [model["rank"] for model in plain["models"]] == [[1, 1], [2, 3], [2, 3]]
    assert plain["groups"] == [["a"], ["c", "b"]]
    first = plain["differences"][0]
    assert (first["model"], first["minus"], first["ahead"]) == ("a", "c", True)
    assert first["low"] < first["difference"] < first["high"]
    assert plain["verdict"][0].startswith("a is best on this data") and plain["reason"] is None


def test_who_is_worse_by_more_than_allowed(compared):
    found = compared(a=(0.500, 0.501, 0.502), b=(0.480, 0.481, 0.482), c=(0.499, 0.500, 0.501))
    assert [d.one for d in found.worse_than("a", 0.01)] == ["b"]
    assert found.worse_than("a", 0.03) == [] and found.worse_than("b", 0.0) == []
    unsure = compared(image_sd=0.05, a=(0.500, 0.501), b=(0.480, 0.481))
    assert unsure.worse_than("a", 0.01) == []
    with pytest.raises(RunError, match="not among the compared models"):
        found.worse_than("d", 0.01)


def test_another_figure_and_one_that_is_none(compared):
    found = compared(figure="AP/bottle", a=(0.5, 0.51), b=(0.4, 0.41))
    assert found.intervals is not None and found.figure == "AP/bottle"
    with pytest.raises(RunError, match="is no figure"):
        compared(figure="mAP", a=(0.5,), b=(0.4,))


def test_without_predictions_the_reason_is_given(make_run, make_record):
    (found,) = differences([make_run(records=[make_record("a", 0, 0.5), make_record("b", 0, 0.4)])])
    assert "are not those of its record" in found.as_json()["reason"]
    with pytest.raises(RunError, match="nothing can be said of a difference"):
        found.worse_than("a", 0.01)
