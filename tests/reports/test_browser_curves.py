"""The section of curves, copies of tables and downloads of charts, in a real browser."""

import base64
import csv
import io
import urllib.parse

import pytest

from bench.reports.comparison import compare
from bench.reports.failures.errors import split_errors
from bench.reports.page import render
from bench.reports.precision_recall import over_score

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLASSES = ("cat", "ねこの写真", "קטה, גדול", "comma, & 50 %", "under_score|pipe")
SOON = "return new Promise(done => setTimeout(done, 200))"


@pytest.fixture
def comparison(judged):
    return compare([judged("a", "b", images=60, classes=CLASSES)])[0]


@pytest.fixture
def browser(comparison, chromium, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render([comparison]), encoding="utf-8")
    browser = chromium(1280)
    browser.open(path)
    yield browser
    assert browser.console() == []


def test_the_threshold_moves_the_figures_of_every_model(comparison, browser):
    cells = (
        "[...document.querySelectorAll('.at-threshold tbody tr')]"
        ".map(r => [...r.cells].slice(1).map(c => c.textContent))"
    )
    before = browser.run("return " + cells)
    moved = browser.run(
        "const f = document.querySelector('.thresholds [name=threshold]'); f.value = 0.4;"
        "f.dispatchEvent(new Event('input', {bubbles: true})); return " + cells
    )
    for row, model in zip(moved, over_score(split_errors(comparison)), strict=True):
        lines = {line.label: line.ys[line.xs.index(0.4)] for line in model.chart.lines if not line.rule}
        expected = [0.4, lines["precision"], lines["recall"], lines["F1"]]
        assert [float(text) for text in row] == pytest.approx(expected, abs=6e-4)
    rules = browser.run(
        "return [...document.querySelectorAll('.over-score polyline.rule')]"
        ".map(e => e.getAttribute('points'))"
    )
    assert set(rules) == {"40,100 40,0"}
    browser.run("document.querySelector('.thresholds [type=reset]').click()")
    browser.run(SOON)
    assert browser.run("return " + cells) == before


def test_a_confusion_leads_to_its_pictures(comparison, browser):
    """Every picture shown holds an error of that kind, and every picture that holds one is shown."""
    found = browser.run(
        "const link = document.querySelector('.pairs td a'); link.click();"
        "return [link.getAttribute('href'), link.closest('tr').cells[0].textContent, link.textContent]"
    )
    browser.run(SOON)
    asked = dict(urllib.parse.parse_qsl(found[0].split("?")[1]))
    assert CLASSES[int(asked["truth"])] == found[1] and asked["kind"] == "class"
    shown = browser.run(
        "return [...document.querySelectorAll('.shot:not([hidden])')].map(e => e.dataset.file).sort()"
    )
    expected = browser.run(
        "return [...document.querySelectorAll('.shot')].filter(shot => shot.querySelector("
        f'\'[data-panel="{asked["model"]}"] .box.k-class:not(.off)[data-c="{asked["class"]}"]'
        f'[data-t="{asked["truth"]}"]\')).map(e => e.dataset.file).sort()'
    )
    assert shown == expected
    assert browser.run("return document.querySelector('[name=truth]').value") == asked["truth"]


def test_one_confusion_matrix_at_a_time(browser):
    visible = "[...document.querySelectorAll('[data-matrix]')].map(e => e.getClientRects().length > 0)"
    assert browser.run("return " + visible) == [True, False]
    choose = (
        "const f = document.querySelector('[name=matrix]'); f.value = '1';"
        "f.dispatchEvent(new Event('input', {bubbles: true})); return "
    )
    assert browser.run(choose + visible) == [False, True]


def test_classes_are_searched_and_sorted(browser):
    rows = (
        "[...document.querySelectorAll('#class-table-1 tbody tr')].filter(r => !r.hidden)"
        ".map(r => r.cells[0].querySelector('bdi').textContent)"
    )
    search = (
        "const f = document.querySelector('[data-search]'); f.value = '{}';"
        "f.dispatchEvent(new Event('input', {{bubbles: true}})); return "
    )
    assert browser.run(search.format("ねこ") + rows) == ["ねこの写真"]
    assert browser.run("return document.querySelector('[data-search]').closest('p').textContent").endswith(
        "1 of 5"
    )
    assert len(browser.run(search.format("") + rows)) == 5
    sort = "document.querySelectorAll('#class-table-1 thead button')[{}].click(); return "
    values = (
        "[...document.querySelectorAll('#class-table-1 tbody tr')].map(r => Number(r.cells[3].dataset.v))"
    )
    by_ap = browser.run(sort.format(2) + values)
    assert by_ap == sorted(by_ap, reverse=True)


def copied(browser, form):
    """What a click on the class table's button leaves on the clipboard."""
    browser.run(
        "const t = document.getElementById('class-table-1');"
        f"[...t.nextElementSibling.querySelectorAll('button')].find(b => b.textContent === '{form}').click();"
    )
    browser.run(SOON)
    return browser.run("return document.getElementById('class-table-1').dataset.copied")


def test_tables_are_copied_in_three_forms(comparison, browser):
    rows = list(csv.reader(io.StringIO(copied(browser, "CSV"))))
    assert rows[0] == ["Class", "Support", "a", "b"]
    assert {row[0].removesuffix(" rare") for row in rows[1:]} == set(CLASSES)
    first = next(r for r in comparison.contestants[0].done if r.seed == 0)
    supports = {one.name: one.ground_truths for one in first.ranked.classes}
    assert all(int(row[1]) == supports[row[0].removesuffix(" rare")] for row in rows[1:])
    markdown = copied(browser, "Markdown").splitlines()
    assert markdown[1] == "|---|---:|---:|---:|" and len(markdown) == 7
    assert any("under_score\\|pipe" in line for line in markdown)
    latex = copied(browser, "LaTeX")
    assert "\\toprule" in latex and "\\bottomrule" in latex and "comma, \\& 50 \\%" in latex
    assert "under\\_score$|$pipe" in latex


def test_charts_are_saved_with_text_as_text_and_as_png(browser):
    chart = "document.querySelector('.curves figure.chart')"
    for form in ("SVG", "PNG"):
        browser.run(
            f"[...{chart}.querySelectorAll('.tools button')].find(b => b.textContent === '{form}').click()"
        )
        browser.run("return new Promise(done => setTimeout(done, 500))")
        href = browser.run(f"return {chart}.dataset.saved")
        if form == "SVG":
            source = urllib.parse.unquote(href.split(",", 1)[1])
            assert "<text" in source and ">recall</text>" in source and "<polyline" in source
            assert "Precision against recall</text>" in source and "http" not in source.replace(
                "http://www.w3.org/2000/svg", ""
            )
        else:
            assert base64.b64decode(href.split(",", 1)[1]).startswith(b"\x89PNG")


def test_names_of_classes_stand_in_bdi(browser):
    outside = browser.run(
        "const found = [];"
        "const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);"
        "while (walk.nextNode()) { const t = walk.currentNode, e = t.parentElement;"
        "  if (t.textContent.includes('\\u05e7')"
        "      && !e.closest('bdi, option, script, style, pre, title, code'))"
        "    found.push(e.outerHTML.slice(0, 120)); }"
        "return found"
    )
    assert outside == []
