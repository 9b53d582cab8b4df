"""What the figure files show: the data behind their artists, their labels, units and legends."""

import math

import pytest
from matplotlib.colors import to_hex

from bench.reports import drawing
from bench.reports.comparison import compare
from bench.reports.failures.errors import split_errors
from bench.reports.failures.summary import KIND_SERIES
from bench.reports.figures import FIGURES
from bench.reports.palette import TRUTH, tone

DETR, YOLO, FRCNN = (tone(index).light for index in range(3))
"""Colours follow the order of the models in the run, not their ranking."""


@pytest.fixture
def comparison(make_run):
    return compare([make_run()])[0]


@pytest.fixture
def figure(comparison):
    """figure(name) -> the drawn figure of that file."""

    def figure(name, of=comparison):
        return drawing.figure(FIGURES[name](of))

    return figure


def points(axes):
    """(x, y, colour) of every scattered point, in the order in which they are drawn."""
    found = []
    for collection in axes.collections:
        colours = collection.get_facecolors()
        for index, (x, y) in enumerate(collection.get_offsets().tolist()):
            found.append((round(x, 6), round(y, 6), to_hex(colours[index % len(colours)])))
    return found


def lines(axes):
    """(xs, ys, colour, whether it is dashed) of every line."""
    return [
        (rounded(line.get_xdata()), rounded(line.get_ydata()), to_hex(line.get_color()), line.is_dashed())
        for line in axes.lines
    ]


def rounded(values):
    """To six digits, so that lists compare exactly."""
    return [round(float(value), 6) for value in values]


def legend(axes):
    """(name, colour) from top to bottom."""
    shown = axes.get_legend()
    return [
        (
            text.get_text(),
            to_hex(handle.get_color() if hasattr(handle, "get_color") else handle.get_facecolor()),
        )
        for text, handle in zip(shown.get_texts(), shown.legend_handles, strict=True)
    ]


def ticks(axis):
    """(value, what is written at it)."""
    return [
        (round(float(value), 6), label.get_text())
        for value, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
    ]


def number(text):
    return float(text.rstrip(" Mk")) * {"M": 1e6, "k": 1e3}.get(text[-1], 1)


def texts(figure):
    return [text.get_text() for text in figure.texts]


def class_names(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_test_ap_has_a_point_for_every_training_in_the_row_of_its_model(figure):
    drawn = figure("test-ap")
    (axes,) = drawn.axes
    assert sorted(points(axes)) == sorted(
        [(0.52, 0, YOLO), (0.55, 0, YOLO), (0.47, 1, FRCNN), (0.31, 2, DETR), (0.35, 2, DETR)]
    )
    assert class_names(axes) == ["yolo-n", "frcnn", "detr"]
    top, bottom = axes.transData.transform([(0, 0), (0, 2)])[:, 1]
    assert top > bottom, "the best model stands on top"
    means = [(xs, [min(ys), max(ys)]) for xs, ys, _, _ in lines(axes)]
    assert means == [
        ([0.535, 0.535], [-0.25, 0.25]),
        ([0.33, 0.33], [1.75, 2.25]),
    ], "a single training has no mean"
    assert axes.get_xlabel() == "AP, test split (IoU .50:.95)"
    assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] >= 0.55
    assert ticks(axes.xaxis) == [(0.0, "0"), (0.2, "0.2"), (0.4, "0.4"), (0.6, "0.6")]
    assert texts(drawn)[0] == "Test AP, and how far it can be trusted"


@pytest.mark.parametrize(
    ("name", "unit", "xs"),
    [
        ("ap-against-parameters", "parameters, logarithmic", (3e6, 19e6, 2.1e6)),
        ("ap-against-latency", "latency, ms per image (median, batch of 1), logarithmic", (9.5, 61.0, 18.5)),
    ],
)
def test_cost_runs_along_x_and_ap_along_y(figure, name, unit, xs):
    (axes,) = figure(name).axes
    yolo, frcnn, detr = xs
    assert points(axes) == [
        (yolo, 0.535, YOLO),
        (frcnn, 0.47, FRCNN),
        (detr, 0.33, DETR),
    ]
    assert [(x, sorted(y), colour) for x, y, colour, _ in lines(axes)] == [
        ([yolo, yolo], [0.52, 0.55], YOLO),
        ([detr, detr], [0.31, 0.35], DETR),
    ], "bars reach from the lowest seed to the highest"
    assert (axes.get_xlabel(), axes.get_ylabel()) == (unit, "test AP")
    assert axes.get_xscale() == "log" and axes.get_xlim()[0] < min(xs) < max(xs) < axes.get_xlim()[1]
    assert axes.get_ylim()[0] == 0
    assert [number(text) for _, text in ticks(axes.xaxis)] == [value for value, _ in ticks(axes.xaxis)]
    named = {text.get_text(): text.xy for text in axes.texts}
    assert {label: at[1] for label, at in named.items()} == pytest.approx(
        {"yolo-n": 0.535, "frcnn": 0.47, "detr": 0.33}, abs=1e-4
    )


def test_ap_by_class_has_a_point_for_every_model_and_class_that_has_a_figure(figure):
    (axes,) = figure("ap-by-class").axes
    expected = [
        (round(ap - 0.04 * index, 6), index, colour)
        for index in range(5)
        for ap, colour in ((0.535, YOLO), (0.47, FRCNN), (0.33, DETR))
    ]
    assert points(axes) == expected
    assert class_names(axes)[0] == "bottle (120)" and class_names(axes)[5] == "never seen (0)"
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the most frequent class stands on top"
    assert axes.get_xlabel() == "AP, test split (IoU .50:.95)"
    assert legend(axes) == [("yolo-n", YOLO), ("frcnn", FRCNN), ("detr", DETR)]


def test_class_distribution_sets_detections_beside_ground_truth(figure):
    (axes,) = figure("class-distribution").axes
    widths = {
        to_hex(container[0].get_facecolor()): [bar.get_width() for bar in container]
        for container in axes.containers
    }
    assert widths == {
        TRUTH: [120, 64, 31, 12, 3, 0],
        YOLO: [round_half(support, 0.52, 0.55, extra) for support, extra in SUPPORTS],
        FRCNN: [round_half(support, 0.47, 0.47, extra) for support, extra in SUPPORTS],
        DETR: [round_half(support, 0.31, 0.35, extra) for support, extra in SUPPORTS],
    }
    assert legend(axes) == [("ground truth", TRUTH), ("yolo-n", YOLO), ("frcnn", FRCNN), ("detr", DETR)]
    assert axes.get_xlabel() == "boxes, test split"
    assert class_names(axes)[0] == "bottle (120)"


SUPPORTS = [(120, 0), (64, 0), (31, 0), (12, 0), (3, 0), (0, 2)]


def round_half(support, first, second, extra):
    """The mean over seeds of the detections that the made records hold."""
    return sum(round(support * (0.5 + ap)) + extra for ap in (first, second)) / 2


def test_errors_are_stacked_by_kind_and_their_widths_are_the_counts(figure, comparison):
    (axes,) = figure("errors").axes
    errors = split_errors(comparison)
    expected = []
    for row, model in enumerate(errors.models):
        start = 0
        for kind, series in enumerate(KIND_SERIES):
            expected.append((start, row, model.count(kind), series.tone.light))
            start += model.count(kind)
    found = [
        (bar.get_x(), round(bar.get_y() + bar.get_height() / 2), bar.get_width(), to_hex(bar.get_facecolor()))
        for bar in axes.patches
    ]
    assert found == expected and sum(width for _, _, width, _ in found) > 0
    assert class_names(axes) == ["yolo-n", "frcnn", "detr"]
    assert [name for name, _ in legend(axes)] == [series.label for series in KIND_SERIES]
    assert axes.get_xlabel() == "objects missed and wrong detections"


def test_val_ap_rises_over_the_epochs_as_the_histories_do(figure, comparison):
    (axes,) = figure("val-ap").axes
    histories = [rows for contestant in comparison.contestants for rows in contestant.histories.values()]
    colours = [YOLO, YOLO, FRCNN, DETR, DETR]
    assert [(xs, ys, colour) for xs, ys, colour, _ in lines(axes)] == [
        (list(range(1, 13)), rounded(row["metrics/AP"] for row in rows), colour)
        for rows, colour in zip(histories, colours, strict=True)
    ]
    assert all(ys[-1] > ys[0] for _, ys, _, _ in lines(axes))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "AP, val split")
    assert axes.get_ylim()[0] == 0
    assert legend(axes) == [("yolo-n", YOLO), ("frcnn", FRCNN), ("detr", DETR)]


def test_losses_have_a_panel_for_every_component_train_whole_and_val_dashed(figure):
    drawn = figure("losses")
    panels = {axes.get_title(loc="left") or axes.get_title(): axes for axes in drawn.axes if axes.axison}
    assert list(panels) == [
        *(f"yolo-n\n{component}" for component in ("box", "cls", "dfl")),
        *(f"frcnn\n{component}" for component in ("classifier", "box_reg", "objectness", "rpn_box_reg")),
        *(f"detr\n{component}" for component in ("class", "box", "giou")),
    ]
    train, val = lines(panels["frcnn\nbox_reg"])
    assert train == (
        list(range(1, 13)),
        rounded(2 * math.exp(-epoch / 5) + 0.1 for epoch in range(1, 13)),
        FRCNN,
        False,
    )
    assert val == (
        list(range(1, 13)),
        rounded(2 * math.exp(-epoch / 6) + 0.2 for epoch in range(1, 13)),
        FRCNN,
        True,
    )
    assert "dashed: val" in texts(drawn)[1]
