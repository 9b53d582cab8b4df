"""`bench compare`."""

import json

import pytest
import typer

import bench
from bench.cli.compare import compare
from bench.errors import RunError


@pytest.fixture
def run(make_run, make_record, certain):
    certain(0.001)
    aps = {"a": (0.50, 0.51), "b": (0.40, 0.41)}
    return make_run(
        records=[make_record(m, seed, ap) for m, of_m in aps.items() for seed, ap in enumerate(of_m)]
    )


def test_tables_and_the_verdict(run, capsys):
    compare([run.root], "AP", False, None, 0.0)
    told = capsys.readouterr().out
    assert "a is best on this data" in told and "+0.100" in told and "ahead" in told
    assert "95 % intervals of all pairs" in told  # what they hold with, not the level at which t is taken


def test_json_for_scripts(run, capsys):
    compare([run.root], "AP/bottle", True, None, 0.0)
    (found,) = json.loads(capsys.readouterr().out)
    assert found["figure"] == "AP/bottle" and found["differences"][0]["model"] == "a"
    assert (found["confidence"], found["nominal_confidence"]) == (0.95, 0.97)


def test_a_worse_model_fails_a_release(run, capsys):
    with pytest.raises(typer.Exit) as raised:
        compare([run.root], "AP", False, "a", 0.01)
    assert raised.value.exit_code == 3
    assert "b is worse than a by more than 0.01: AP \N{MINUS SIGN}0.100" in capsys.readouterr().err
    compare([run.root], "AP", False, "a", 0.2)
    compare([run.root], "AP", False, "b", 0.01)
    with pytest.raises(RunError, match="not among"):
        compare([run.root], "AP", False, "c", 0.01)


def test_in_python(run):
    found = bench.compare(run.root, "AP")
    assert list(found.models["model"]) == ["a", "b"] and list(found.models["rank_low"]) == [1, 2]
    (pair,) = found.differences.to_dict("records")
    assert (pair["model"], pair["minus"], pair["ahead"]) == ("a", "b", True)
    assert pair["difference"] == pytest.approx(0.1) and pair["low"] < 0.1 < pair["high"]
    assert "a is best on this data" in found.verdict[0] and "a is best" in found._repr_html_()
    assert [one.one for one in found.worse_than("a", 0.01)] == ["b"] and not found.worse_than("b")
    assert bench.compare([run.root]).as_json() == found.as_json()
