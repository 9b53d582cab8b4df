"""The control that weighs costs, in a real browser."""

import json

import pytest

from bench.reports.comparison import compare
from bench.reports.page import render
from bench.reports.weighing import weighing

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ORDER = "[...document.querySelectorAll('.weigh-order bdi')].map(e => e.textContent)"
SAID = "document.querySelector('.weigh-answer').textContent"
SET = (
    "const f = document.querySelector('.weigh').elements.{name}; f.value = {value};"
    "f.dispatchEvent(new Event('input', {{bubbles: true}}));"
)


@pytest.fixture
def run(judged, make_record):
    """Three models: a finds most, c least; c is by far the quickest."""
    run = judged("a", "b", "c")
    for record in run.records():
        latency_ms = {"a": 60.0, "b": 40.0, "c": 1.0}[record.model]
        efficiency = record.efficiency.model_copy(update={"latency_ms": latency_ms + record.seed / 100})
        changed = record.model_copy(update={"efficiency": efficiency})
        run.cell(record.cell).record_path.write_text(changed.model_dump_json())
    return run


def test_costs_reorder_the_answer(run, chromium, tmp_path):
    (comparison,) = compare([run])
    path = tmp_path / "report.html"
    path.write_text(render([comparison]), encoding="utf-8")
    data = json.loads(weighing(comparison).data)
    browser = chromium(1280)
    browser.open(path)
    for step, per_ms in ((3, 0), (9, 0), (3, 0.5), (0, 0.001)):
        said = browser.run(
            SET.format(name="miss", value=step)
            + SET.format(name="ms", value=per_ms).replace("const f", "const g").replace("f.", "g.")
            + f"return [{ORDER}, {SAID}]"
        )
        costs = [e + per_ms * ms for e, ms in zip(data["errors"][step], data["latency"], strict=True)]
        order = sorted(range(3), key=costs.__getitem__)
        assert said[0] == [data["models"][i] for i in order]
        best = order[0]
        told = all(
            costs[i] - costs[best]
            > (
                data["errorHalves"][step][best * 3 + i] ** 2
                + (per_ms * data["latencyHalves"][best * 3 + i]) ** 2
            )
            ** 0.5
            for i in order[1:]
        )
        assert ("surely" in said[1]) == told, (step, per_ms)
        assert data["models"][best] in said[1]
    browser.run(SET.format(name="ms", value=0))
    assert browser.run(SET.format(name="miss", value=9) + f"return {ORDER}") == ["a", "b", "c"]
    assert browser.run(SET.format(name="ms", value=10) + f"return [{ORDER}[0], {SAID}]") == [
        "c",
        "Take c: it surely costs least.",
    ]
    assert browser.run("return document.querySelector('.weigh-answer').getAttribute('role')") == "status"
    assert browser.run("return document.querySelector('.weigh [name=miss]').getAttribute('aria-valuetext')")
    assert browser.console() == []


def test_the_slider_moves_by_keyboard_and_nothing_shows_without_javascript(run, chromium, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render(compare([run])), encoding="utf-8")
    browser = chromium(1280)
    browser.open(path)
    browser.run("document.querySelector('.weigh [name=miss]').focus()")
    before = browser.run("return document.querySelector('.weigh output').textContent")
    for kind in ("rawKeyDown", "keyUp"):
        key = {"type": kind, "key": "ArrowRight", "code": "ArrowRight", "windowsVirtualKeyCode": 39}
        browser.devtools("Input.dispatchKeyEvent", key)
    after = browser.run("return document.querySelector('.weigh output').textContent")
    assert (before, after) == ("1 false alarm", "2 false alarms")
    browser.devtools("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.open(path)
    browser.devtools("Emulation.setScriptExecutionDisabled", {"value": False})
    assert browser.run("return getComputedStyle(document.querySelector('.weigh')).display") == "none"
    assert browser.run("return document.querySelectorAll('.card').length") > 3
