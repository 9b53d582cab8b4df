"""What the charts of the page show, read back from the HTML: positions turned into values by the ticks."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from bench.reports.comparison import compare
from bench.reports.page import render

DETR, YOLO, FRCNN = "t0", "t1", "t2"


class Chart:
    """One `figure.chart`: its tick texts with their positions, and the marks and lines between them."""

    def __init__(self):
        self.label = ""
        self.ticks = {"x": [], "y": []}
        self.marks, self.lines, self.whiskers, self.words = [], [], [], []

    def value(self, axis, percent, scale="linear"):
        """The value at a position, from the line through all ticks; 'log' for a logarithmic axis."""
        at = [position for position, _ in self.ticks[axis]]
        values = [number(text) for _, text in self.ticks[axis]]
        slope, start = np.polyfit(at, np.log(values) if scale == "log" else values, 1)
        value = float(start + slope * percent)
        return float(np.exp(value)) if scale == "log" else value


def number(text):
    factor = {"M": 1e6, "k": 1e3}.get(text[-1], 1)
    return float(text.rstrip(" Mk").replace(",", "")) * factor


class Charts(HTMLParser):
    """All charts of a page by their label."""

    def __init__(self, page):
        super().__init__()
        self.charts, self._chart, self._axis, self._at = {}, None, None, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        found = {name: value or "" for name, value in attributes}
        classes = found.get("class", "").split()
        if tag == "figure" and "chart" in classes:
            self._chart = Chart()
            self.charts[found["aria-label"]] = self._chart
        if self._chart is None:
            return
        self._axis = {"x-ticks": "x", "y-ticks": "y"}.get(" ".join(classes), self._axis)
        style = {k: float(v) for k, v in re.findall(r"(left|top):([\d.]+)%", found.get("style", ""))}
        self._at = style.get("left" if self._axis == "x" else "top") if self._axis else None
        tone = next((name for name in classes if re.fullmatch(r"t\d+", name)), None)
        if "mark" in classes:
            self._chart.marks.append((tone, style["left"], style["top"]))
        if tag == "polyline":
            self._chart.lines.append((tone, found, "dashed" in classes))
        if "whisker" in classes:
            self._chart.whiskers.append((tone, float(found["y1"]), float(found["y2"])))

    def handle_endtag(self, tag):
        if tag == "figure":
            self._chart = None
        if tag == "div":
            self._axis = None

    def handle_data(self, data):
        if self._chart is None or not data.strip():
            return
        if self._axis and self._at is not None:
            self._chart.ticks[self._axis].append((self._at, data))
            self._at = None
        else:
            self._chart.words.append(data.strip())


@pytest.fixture
def comparison(make_run):
    return compare([make_run()])[0]


@pytest.fixture
def charts(comparison):
    return Charts(render([comparison])).charts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "unit", "xs"),
    [
        ("AP against size", "parameters, logarithmic", (3.0e6, 19.0e6, 2.1e6)),
        ("AP against latency", "latency, ms per image (median, batch of 1), logarithmic", (9.5, 61.0, 18.5)),
    ],
)
def test_points_stand_where_cost_and_ap_put_them(charts, title, unit, xs):
    chart = charts[title]
    found = {tone: (chart.value("x", x, "log"), chart.value("y", y)) for tone, x, y in chart.marks}
    assert found == {
        YOLO: (pytest.approx(xs[0], rel=2e-3), pytest.approx(0.535, abs=1e-3)),
        FRCNN: (pytest.approx(xs[1], rel=2e-3), pytest.approx(0.47, abs=1e-3)),
        DETR: (pytest.approx(xs[2], rel=2e-3), pytest.approx(0.33, abs=1e-3)),
    }
    whiskers = {tone: [chart.value("y", y) for y in ends] for tone, *ends in chart.whiskers}
    assert whiskers == {
        YOLO: pytest.approx([0.55, 0.52], abs=1e-3),
        DETR: pytest.approx([0.35, 0.31], abs=1e-3),
    }
    assert {unit, "test AP", title} <= set(chart.words)


@pytest.mark.slow
def test_learning_curves_are_the_histories(charts, comparison):
    chart = charts["AP on val during training"]
    histories = [
        (f"t{contestant.tone.index}", [row["metrics/AP"] for row in rows])
        for contestant in comparison.contestants
        for rows in contestant.histories.values()
    ]
    for (tone, values), (drawn, attributes, dashed) in zip(histories, chart.lines, strict=True):
        drawn_at = [pair.split(",") for pair in attributes["points"].split()]
        assert drawn == tone and not dashed
        assert [chart.value("x", float(x)) for x, _ in drawn_at] == pytest.approx(range(1, 13), abs=0.01)
        assert [chart.value("y", float(y)) for _, y in drawn_at] == pytest.approx(values, abs=1e-3)
        assert [float(y) for y in attributes["data-y"].split()] == pytest.approx(values, abs=1e-3)
        assert [float(x) for x in attributes["data-x"].split()] == list(range(1, 13))
    assert {"epoch", "AP, val split"} <= set(chart.words)


@pytest.mark.slow
def test_a_small_chart_of_each_loss_has_train_whole_and_val_dashed(charts, comparison):
    chart = charts["box_reg"]
    (contestant,) = (c for c in comparison.contestants if c.label == "frcnn")
    (rows,) = (rows for seed, rows in contestant.histories.items() if seed == 0)
    for (tone, attributes, dashed), split in zip(chart.lines, ("train", "val"), strict=True):
        assert (tone, dashed) == (FRCNN, split == "val")
        heights = [float(pair.split(",")[1]) for pair in attributes["points"].split()]
        values = [row[f"{split}/box_reg"] for row in rows]
        assert [chart.value("y", y) for y in heights] == pytest.approx(values, abs=0.01)
