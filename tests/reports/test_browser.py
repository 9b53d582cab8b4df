"""The page in a real browser: it loads, asks the network for nothing, fits a phone, sorts, prints."""

import pytest

from bench.reports.comparison import compare
from bench.reports.page import render

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ORDER = "return [...document.querySelectorAll('.ranking tbody .model')].map(e => e.textContent)"
SORT = "document.querySelectorAll('.ranking thead tr:last-child th button')[{}].click();"


@pytest.fixture
def page(make_run, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render(compare([make_run()])), encoding="utf-8")
    return path


def test_on_a_desktop(page, chromium):
    browser = chromium(1280)
    browser.requests()
    browser.open(page)
    assert browser.console() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.resolve().as_uri()]

    assert browser.run("return [document.scripts.length, document.images.length]") == [1, 0]
    names = browser.run("return [...document.querySelectorAll('.by-class tbody th')].map(e => e.textContent)")
    assert "<script>alert(1)</script>" in names and '"><img src=x onerror=alert(2)>' in names
    assert browser.run("return document.querySelector('.ranking').closest('.scroll').scrollWidth <= 1160")

    assert browser.run(ORDER) == ["yolo-n", "frcnn", "detr"]
    assert browser.run(SORT.format(10) + ORDER) == ["detr", "yolo-n", "frcnn"]  # parameters, fewest first
    assert browser.run(SORT.format(10) + ORDER) == ["frcnn", "yolo-n", "detr"]
    assert browser.run(SORT.format(1) + ORDER) == ["detr", "frcnn", "yolo-n"]  # by name

    hidden = browser.run(
        "document.querySelector('[data-toggle=\"1\"]').click();"
        "const lines = [...document.querySelectorAll('polyline[data-m=\"1\"]')];"
        "return lines.every(line => !line.getClientRects().length)"
    )
    assert hidden

    drawn = "[...document.querySelectorAll('.panel .box[data-score]')].filter(e => !e.matches('.off')).length"
    slide = (
        "const s = document.querySelector('[data-slider]'); s.value = {};"
        "s.dispatchEvent(new Event('input')); return " + drawn
    )
    before = browser.run("return " + drawn)
    assert browser.run(slide.format(1)) == 0
    assert browser.run(slide.format(0)) > before
    assert browser.run("document.querySelector('[data-own]').click(); return " + drawn) == before

    assert browser.run(
        "const p = document.querySelector('.chart:not(.small) polyline').closest('.plot');"
        "const b = p.getBoundingClientRect();"
        "p.dispatchEvent(new PointerEvent('pointermove', {clientX: b.right, clientY: b.top}));"
        "return document.getElementById('tip').textContent"
    ).startswith("epoch 12")
    assert browser.console() == []
    assert browser.pdf().startswith(b"%PDF")


def test_on_a_phone_nothing_sticks_out(page, chromium):
    browser = chromium(390)
    browser.open(page)
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    assert browser.run("return innerWidth") == 390
    outside = browser.run(
        "return [...document.querySelectorAll('h1,h2,h3,p,li,dd,.chart,.panels,.by-class,summary')]"
        ".filter(e => e.getClientRects().length && e.getBoundingClientRect().right > 391)"
        ".map(e => e.className + e.textContent.slice(0, 40))"
    )
    assert outside == []
    assert browser.console() == []


def test_without_javascript_everything_stands_there(page, chromium):
    browser = chromium(1280)
    browser.devtools("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.open(page)
    root = browser.devtools("DOM.getDocument", {"depth": 1})["root"]["nodeId"]

    def found(selector):
        query = {"nodeId": root, "selector": selector}
        return len(browser.devtools("DOM.querySelectorAll", query)["nodeIds"])

    assert found("html.js") == 0
    assert found(".ranking tbody tr") == 3
    assert found("polyline") > 20
    assert found(".panel .box") > 10
