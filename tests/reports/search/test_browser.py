"""The page of a search in a real browser: it loads, asks the network for nothing, fits a phone, sorts."""

import pytest

from bench.reports.search.folder import read_search
from bench.reports.search.page import render_search
from bench.reports.search.verdict import finals

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def page(make_search):
    search = read_search(make_search())
    path = search.root / "report.html"
    path.write_text(render_search(search, finals(search)), encoding="utf-8")
    return path


def test_on_a_desktop(page, chromium):
    browser = chromium(1280)
    browser.requests()
    browser.open(page)
    assert browser.console() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.resolve().as_uri()]

    numbers = (
        "return [...document.querySelectorAll('.trial-table')][0].tBodies[0].rows[0].cells[0].textContent"
    )
    sort = "document.querySelectorAll('.trial-table thead button')[{}].click();"
    assert browser.run(numbers) == "0"
    assert browser.run(sort.format(2) + numbers) == browser.run(
        "return document.querySelector('.trial-table tr.best').cells[0].textContent"
    )  # by val AP, highest first

    hidden = browser.run(
        "document.querySelector('[data-toggle=\"4\"]').click();"  # pruned
        "return [...document.querySelectorAll('.mark[data-m=\"4\"]')].every(e => !e.getClientRects().length)"
    )
    assert hidden
    assert browser.run(
        "const p = document.querySelector('.trials polyline').closest('.plot');"
        "const b = p.getBoundingClientRect();"
        "p.dispatchEvent(new PointerEvent('pointermove', {clientX: b.left, clientY: b.top}));"
        "return document.getElementById('tip').textContent"
    ).startswith("trial 0")


def test_on_a_phone_nothing_sticks_out(page, chromium):
    browser = chromium(390)
    browser.open(page)
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    outside = browser.run(
        "return [...document.querySelectorAll('h1,h2,h3,p,li,dd,.chart,.seeds,.by-class,.plain,summary')]"
        ".filter(e => !e.closest('.scroll'))"
        ".filter(e => e.getClientRects().length && e.getBoundingClientRect().right > 391)"
        ".map(e => e.className + e.textContent.slice(0, 40))"
    )
    assert outside == []
    assert browser.console() == []
