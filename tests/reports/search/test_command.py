"""`bench report SEARCH`."""

from pathlib import Path

import pytest

from bench.cli.report import report
from bench.errors import ConfigError
from bench.reports import figures


@pytest.mark.slow
def test_a_search_has_a_page_of_its_own_and_its_verdicts_are_told(make_search, monkeypatch, capsys):
    monkeypatch.setattr(figures, "SEARCH_FIGURES", {})
    root = make_search()
    report([root], None, None)
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told[:3]] == ["verdict detr", "verdict yolo", "verdict frcnn"]
    assert told[3] == f"report  {root / 'report.html'}"
    assert (root / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_search_is_reported_alone(make_search):
    root = make_search()
    with pytest.raises(ConfigError, match="SEARCH/final"):
        report([root, root / "final"], None, None)
    with pytest.raises(ConfigError, match="into its own folder"):
        report([root], Path("elsewhere.html"), None)
    assert not (root / "report.html").exists()
