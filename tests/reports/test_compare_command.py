"""`bench compare`."""

import json

import pytest
import typer

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


def test_json_for_scripts(run, capsys):
    compare([run.root], "AP/bottle", True, None, 0.0)
    (found,) = json.loads(capsys.readouterr().out)
    assert found["figure"] == "AP/bottle" and found["differences"][0]["model"] == "a"


def test_a_worse_model_fails_a_release(run, capsys):
    with pytest.raises(typer.Exit) as raised:
        compare([run.root], "AP", False, "a", 0.01)
    assert raised.value.exit_code == 3
    assert "b is worse than a by more than 0.01: AP \N{MINUS SIGN}0.100" in capsys.readouterr().err
    compare([run.root], "AP", False, "a", 0.2)
    compare([run.root], "AP", False, "b", 0.01)
    with pytest.raises(RunError, match="not among"):
        compare([run.root], "AP", False, "c", 0.01)
