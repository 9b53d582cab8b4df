"""The report against axe-core's rules in a real browser: three widths, light and dark, all unfolded."""

import os
from pathlib import Path

import pytest

from bench.reports.comparison import compare
from bench.reports.page import render

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]

UNFOLD = "for (const part of document.querySelectorAll('details')) part.open = true;"
VIOLATIONS = (
    "return axe.run(document, {resultTypes: ['violations']}).then(result => result.violations.map("
    "rule => `${rule.id}: ${rule.help}: ${rule.nodes.slice(0, 3).map(node => node.html.slice(0, 200))}`))"
)


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's script: AXE_CORE, or where .ci/run puts it."""
    path = Path(os.environ.get("AXE_CORE", ROOT / ".axe/node_modules/axe-core/axe.min.js"))
    if not path.is_file():
        pytest.skip("no axe-core: npm install --no-save --prefix .axe axe-core@4")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [1400, 1024, 390])
def test_the_report_breaks_no_rule(axe, make_run, judged, chromium, tmp_path, width):
    browser = chromium(width)
    for name, run in (("usual", make_run()), ("judged", judged("a", "b", "c"))):
        path = tmp_path / f"{name}.html"
        path.write_text(render(compare([run])), encoding="utf-8")
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            browser.devtools("Emulation.setEmulatedMedia", {"features": [feature]})
            browser.open(path)
            browser.run(UNFOLD)
            browser.run(axe)
            assert browser.run(VIOLATIONS) == [], (name, scheme)
