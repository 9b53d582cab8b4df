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

    drawn = (
        "[...document.querySelectorAll('.panel .box[data-k=correct]')].filter(e => !e.matches('.off')).length"
    )
    slide = (
        "const s = document.querySelector('[name=score]'); s.value = {};"
        "s.dispatchEvent(new Event('input', {{bubbles: true}})); return " + drawn
    )
    before = browser.run("return " + drawn)
    assert browser.run(slide.format(1)) == 0
    assert browser.run("return location.hash") == "#failures-1?score=1.00"
    assert browser.run(slide.format(0)) > before
    assert browser.run("document.querySelector('[data-own]').click(); return " + drawn) == before

    assert browser.run(
        "const p = document.querySelector('#training-1 .chart:not(.small) polyline').closest('.plot');"
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
        "const parts = 'h1,h2,h3,p,li,dd,.chart,.rows,.shots,.panels,.by-class,summary';"
        "return [...document.querySelectorAll(parts)]"
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
    assert found(".shot > summary use") > 4


SHOWN = "[...document.querySelectorAll('.shot:not([hidden])')].map(e => e.dataset.file).sort()"
STATUS = "document.querySelector('.failures-section .status').textContent"
TALLIES = "[...document.querySelectorAll('[data-panel] .tally')].map(e => e.textContent)"


def test_a_count_leads_to_its_pictures_and_the_address_keeps_them(page, chromium):
    browser = chromium(1280)
    browser.open(page)
    before = browser.run("return " + TALLIES)
    assert browser.run("return " + STATUS) == "4 pictures"
    assert browser.run("document.querySelector('.stack a.k-missed').click(); return location.hash") == (
        "#failures-1?kind=missed&model=1"
    )
    browser.run("return new Promise(done => setTimeout(done, 200))")
    with_missed = browser.run(
        "return [...document.querySelectorAll('.shot')].filter(shot => shot.querySelector("
        "'[data-panel=\"1\"] .box.k-missed:not(.off)')).map(e => e.dataset.file).sort()"
    )
    assert browser.run("return " + SHOWN) == with_missed
    assert browser.run("return " + STATUS) == f"{len(with_missed)} of 4 pictures on this page"
    assert 0 < len(with_missed) < 4
    address = browser.run("return location.href")
    browser._call("POST", f"{browser._session}/url", {"url": "about:blank"})
    browser._call("POST", f"{browser._session}/url", {"url": address})
    assert browser.run("return " + SHOWN) == with_missed, "a link shows the same pictures"
    assert browser.run("return document.querySelector('[name=kind]').value") == "missed"
    browser.run("document.querySelector('[type=reset]').click()")
    browser.run("return new Promise(done => setTimeout(done, 100))")
    assert browser.run("return location.hash") == "#failures-1"
    assert browser.run("return " + STATUS) == "4 pictures"
    assert browser.run("return " + TALLIES) == before
    assert browser.console() == []


def test_filters_combine(page, chromium):
    browser = chromium(1280)
    browser.open(page)
    for filters in (
        "kind=background&model=0",
        "kind=missed&class=0",
        "size=small",
        "only=any",
        "all=1&model=2",
    ):
        browser.run(f"location.hash = '#failures-1?{filters}'")
        browser.run("return new Promise(done => setTimeout(done, 100))")
        asked = dict(pair.split("=") for pair in filters.split("&"))
        selector = ".box:not(.off):not(.k-correct):not(.k-ignored)"
        selector += f'[data-k="{asked["kind"]}"]' if "kind" in asked else ""
        selector += f'[data-model="{asked["model"]}"]' if "model" in asked else ""
        selector += f'[data-c="{asked["class"]}"]' if "class" in asked else ""
        selector += f'[data-s="{asked["size"]}"]' if "size" in asked else ""
        selector += ".k-missed[data-only]" if "only" in asked else ""
        selector += ".k-missed[data-all]" if "all" in asked else ""
        expected = browser.run(
            "return [...document.querySelectorAll('.shot')].filter(shot => shot.querySelector("
            f"'[data-panel] {selector}')).map(e => e.dataset.file).sort()"
        )
        assert browser.run("return " + SHOWN) == expected, filters
        dimmed = browser.run("return document.querySelectorAll('.shot:not([hidden]) .box.dim').length")
        assert (dimmed > 0) or not expected or filters == "size=small"


def test_j_and_k_open_the_next_and_the_previous_picture(page, chromium):
    browser = chromium(1280)
    browser.open(page)
    opened = "return [...document.querySelectorAll('.shot[open]')].map(e => e.id)"

    def press(key):
        browser.run(
            f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))"
        )
        return browser.run(opened)

    assert [press(key) for key in "jjkjjjj"] == [
        ["shot-1-1"], ["shot-1-2"], ["shot-1-1"], ["shot-1-2"], ["shot-1-3"], ["shot-1-4"], ["shot-1-4"],
    ]  # fmt: skip
    assert browser.run("return document.activeElement.closest('.shot').id") == "shot-1-4"
    browser.run("document.querySelector('[name=kind]').focus()")
    assert press("k") == ["shot-1-4"], "in the form a key is the form's"


def test_labels_do_not_cover_each_other(page, chromium):
    browser = chromium(1280)
    browser.open(page)
    browser.run("for (const shot of document.querySelectorAll('.shot')) shot.open = true;")
    covered = browser.run(
        "return [...document.querySelectorAll('.panel .picture')].flatMap(picture => {"
        "  const tags = [...picture.querySelectorAll('.tag:not(.off)')].map(e => e.getBoundingClientRect());"
        "  return tags.flatMap((a, i) => tags.slice(i + 1).filter(b => a.left < b.right - 1 &&"
        "    b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)); }).length"
    )
    assert covered == 0


def test_answer_intervals_and_costs_are_on_the_first_sheet_of_a4(judged, chromium, tmp_path):
    """The page within the margins of @page: 186 x 271 mm, 703 x 1024 CSS pixels."""
    path = tmp_path / "judged.html"
    path.write_text(render(compare([judged("a", "b", "c")])), encoding="utf-8")
    browser = chromium(1000)
    browser.devtools("Emulation.setEmulatedMedia", {"media": "print"})
    sheet = {"width": 703, "height": 1024, "deviceScaleFactor": 1, "mobile": False}
    browser.devtools("Emulation.setDeviceMetricsOverride", sheet)
    browser.open(path)
    ends = browser.run(
        "return ['h1', '.cards', '.first-charts .rows'].map(s =>"
        " document.querySelector(s).getBoundingClientRect().bottom)"
    )
    assert ends == sorted(ends) and ends[-1] < 1024
    assert browser.run("return document.querySelector('.weigh').getClientRects().length") == 0
