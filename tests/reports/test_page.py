"""The page as text: one file, nothing fetched, every name escaped."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from bench.errors import RunError
from bench.reports import figures
from bench.reports.comparison import compare
from bench.reports.page import render, write_report

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = '"><img src=x onerror=alert(2)>'


class Elements(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def page(make_run):
    return render(compare([make_run()]))


@pytest.mark.slow
def test_names_that_bite_are_text(page):
    elements = Elements(page)
    text = "".join(elements.text)
    assert elements.tags.count("script") == 1
    assert "img" not in elements.tags
    assert not {"b onerror", "u", "em", "i", "s"} & (set(elements.tags) - {"i"})
    assert not [name for _, name, _ in elements.attributes if name.startswith("on")]
    assert SCRIPT in text and BREAKOUT in text
    assert "COCO <b>train2017</b>" in text
    assert "mosaic has scales of its own <em>" in text
    assert "RuntimeError: out of memory " + BREAKOUT in text


@pytest.mark.slow
def test_nothing_points_outside(page):
    for _, name, value in Elements(page).attributes:
        if name in ("src", "href", "xlink:href", "action", "srcset", "poster"):
            assert value.startswith(("#", "data:"))
    assert not re.search(r"@import|url\(\s*['\"]?(?!data:)", page)
    assert "https://" not in page and "http://" not in page


@pytest.mark.slow
def test_the_policy_lets_only_our_script_run(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    script = re.search(r"<script>(.*?)</script>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:")
    assert "unsafe-eval" not in policy


@pytest.mark.slow
def test_all_parts_are_there(page):
    text = " ".join("".join(Elements(page).text).split())
    for part in (
        "yolo-n came first on this data",
        "AP against size",
        "AP against latency",
        "AP by class",
        "Predicted and real boxes by class",
        "Kinds of error",
        "AP on val during training",
        "Fairness ledger",
        "Repairs",
        "250 boxes that reached out of their picture",
        "bench run --models detr,yolo,frcnn --seeds 0,1",
        "bench run -c",
        "failed in fit",
        "ultralytics",
    ):
        assert part in text


@pytest.mark.slow
def test_one_file_and_its_figures(make_run, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", {"test-ap": figures.FIGURES["test-ap"]})
    target = tmp_path / "out" / "report.html"
    assert write_report([make_run()], target) == target
    assert sorted(path.name for path in (target.parent / "figures").iterdir()) == [
        "test-ap.png",
        "test-ap.svg",
    ]
    assert target.stat().st_size < 2_000_000


@pytest.mark.slow
def test_runs_on_different_data_carry_a_warning(make_run, make_record):
    one = make_run("one", records=[make_record("a", 0, 0.5, dataset="x")], dataset="x")
    two = make_run("two", records=[make_record("a", 0, 0.4, dataset="y")], dataset="y")
    page = render(compare([one, two]))
    assert "These runs saw different data." in page
    assert page.count("<h2>Ranking</h2>") == 2
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    assert "These runs saw different data." not in render(compare([one]))


def test_a_run_that_only_failed_still_has_a_page(make_run, make_failed):
    page = render(compare([make_run(records=[make_failed("a", 0)])]))
    assert "No model has a test AP" in page
    assert "out of memory" in page


def test_a_bare_run_still_has_a_page(make_run, make_record):
    run = make_run(
        records=[make_record("a", 0, 0.5, efficiency=None, provenance=None, ledger=())],
        without=(
            "manifest.json", "samples/samples.json", "ground_truth/test.json", "bench.yaml",
            "cells/a-s0/history.csv", "cells/a-s0/predictions_test.json",
        ),
    )  # fmt: skip
    page = render(compare([run]))
    assert "kept no manifest" in page and "No model has stored predictions on the test split" in page


def test_a_folder_is_no_target(make_run, tmp_path):
    with pytest.raises(RunError, match="is a folder"):
        write_report([make_run()], tmp_path)
