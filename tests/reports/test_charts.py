from itertools import pairwise

import pytest

from bench.reports import accuracy, classes, curves
from bench.reports.charts import Line
from bench.reports.comparison import compare
from bench.reports.labels import LABEL_GAP, labels
from bench.reports.palette import tone


@pytest.fixture
def comparison(make_run):
    return compare([make_run()])[0]


def test_points_are_means_and_their_ranges_the_seeds(comparison):
    size, latency = accuracy.by_cost(comparison)
    assert size.x.label == "parameters, logarithmic"
    found = [(point.label, point.x, point.y, point.low, point.high) for point in size.points]
    assert found == [
        ("yolo-n", 3_000_000, pytest.approx(0.535), 0.52, 0.55),
        ("frcnn", 19_000_000, 0.47, None, None),  # one seed
        ("detr", 2_100_000, pytest.approx(0.33), 0.31, 0.35),
    ]
    assert latency.points[0].tip == "yolo-n: test AP 0.535, 9.50 ms"


def test_labels_of_near_points_are_moved_apart(make_run, make_record):
    records = [make_record(name, 0, 0.5, parameters=3_000_000) for name in ("a", "b", "c")]
    size, _ = accuracy.by_cost(compare([make_run(records=records)])[0])
    levels = sorted(label.y for label in labels(size))
    assert all(later - earlier >= LABEL_GAP for earlier, later in pairwise(levels))


def test_many_models_are_named_by_a_key_instead(make_run, make_record, comparison):
    records = [make_record(f"model-{index}", 0, 0.1 * index) for index in range(7)]
    crowded = compare([make_run("many", records=records)])[0]
    assert not any(chart.labelled for chart in accuracy.by_cost(crowded))
    assert all(chart.labelled for chart in accuracy.by_cost(comparison))
    assert [named.label for named in accuracy.by_cost(crowded)[0].key][:2] == ["model-6", "model-5"]


def test_learning_has_a_line_a_seed(comparison):
    chart = curves.learning(comparison)
    assert len(chart.lines) == 5
    assert chart.lines[0].label == "yolo-n, seed 0, val"
    assert chart.lines[0].xs == tuple(range(1, 13))
    assert not any(line.dashed for line in chart.lines)


def test_losses_show_train_and_val_of_every_component(comparison):
    found = {model.contestant.label: model.charts for model in curves.losses(comparison)}
    assert [chart.title for chart in found["frcnn"]] == ["classifier", "box_reg", "objectness", "rpn_box_reg"]
    assert [line.dashed for line in found["frcnn"][0].lines] == [False, True]


def test_long_trainings_are_thinned_but_keep_both_ends(make_run, make_record):
    run = make_run(records=[make_record("a", 0, 0.5)])
    rows = [{"epoch": float(e), "metrics/AP": e / 2000} for e in range(1, 1001)]
    run.cell("a-s0").write_history(rows)
    (line,) = curves.learning(compare([run])[0]).lines
    assert len(line.xs) <= curves.MOST_POINTS + 1
    assert (line.xs[0], line.xs[-1]) == (1, 1000)
    assert line.ys == tuple(epoch / 2000 for epoch in line.xs)


def test_values_that_are_not_finite_are_left_out(make_run, make_record):
    run = make_run(records=[make_record("a", 0, 0.5)])
    run.cell("a-s0").write_history(
        [{"epoch": 1.0, "metrics/AP": 0.1, "train/x": float("nan")}, {"epoch": 2.0, "train/x": float("inf")}]
    )
    (comparison,) = compare([run])
    assert curves.learning(comparison).lines[0].xs == (1.0,)
    assert curves.losses(comparison) == []


def test_no_history_no_chart(make_run, make_record):
    run = make_run(records=[make_record("a", 0, 0.5)], without=("cells/a-s0/history.csv",))
    assert curves.learning(compare([run])[0]) is None


def test_class_charts_follow_the_support(comparison):
    rows = classes.class_scores(comparison)
    assert [row.support for row in rows] == [120, 64, 31, 12, 3, 0]
    ap, counts = classes.ap_by_class(comparison), classes.class_distribution(comparison)
    assert [dot.x for dot in ap.rows[0].dots] == pytest.approx([0.535, 0.47, 0.33])
    assert ap.rows[5].dots == ()  # a class without ground truth has no AP
    assert counts.rows[0].dots[0].x == 120
    assert counts.rows[5].dots[0].x == 0 and counts.rows[5].dots[1].x > 0
    assert counts.x.high >= max(dot.x for row in counts.rows for dot in row.dots)


def test_a_stepped_line_turns_at_every_x():
    line = Line(tone(0), "best", (0.0, 2.0, 5.0), (0.1, 0.3, 0.4), stepped=True)
    assert line.corners == [(0, 0.1), (2, 0.1), (2, 0.3), (5, 0.3), (5, 0.4)]
