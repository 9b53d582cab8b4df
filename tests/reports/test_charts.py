from itertools import pairwise

import pytest

from bench.reports import charts, strips
from bench.reports.classes import class_rows
from bench.reports.comparison import compare


@pytest.fixture
def comparison(make_run):
    return compare([make_run()])[0]


def test_points_stand_at_their_mean_and_whiskers_at_the_seeds(comparison):
    size, latency = charts.by_cost(comparison)
    assert size.x_label == "parameters, logarithmic"
    assert [mark.label for mark in size.marks] == ["yolo-n", "frcnn", "detr"]
    best = size.marks[0]
    assert best.top < best.y < best.bottom
    assert size.marks[1].top is None  # one seed
    assert best.y == pytest.approx(100 - 100 * 0.535 / 0.6, abs=0.01)
    assert "ms" in latency.marks[0].tip


def test_labels_of_near_points_are_moved_apart(make_run, make_record):
    records = [make_record(name, 0, 0.5, parameters=3_000_000) for name in ("a", "b", "c")]
    size, _ = charts.by_cost(compare([make_run(records=records)])[0])
    levels = sorted(mark.label_y for mark in size.marks)
    assert all(later - earlier >= charts.LABEL_GAP for earlier, later in pairwise(levels))


def test_many_models_are_named_by_a_key_instead(make_run, make_record, comparison):
    records = [make_record(f"model-{index}", 0, 0.1 * index) for index in range(7)]
    crowded = compare([make_run("many", records=records)])[0]
    assert not any(chart.named for chart in charts.by_cost(crowded))
    assert all(chart.named for chart in charts.by_cost(comparison))


def test_learning_has_a_line_a_seed_and_the_values_behind_it(comparison):
    chart = charts.learning(comparison)
    assert len(chart.lines) == 5
    assert chart.lines[0].label == "yolo-n, seed 0, val"
    assert len(chart.lines[0].xs.split()) == len(chart.lines[0].points.split()) == 12
    assert not any(line.dashed for line in chart.lines)


def test_losses_show_train_and_val_of_every_component(comparison):
    found = {contestant.label: drawn for contestant, drawn in charts.loss_charts(comparison)}
    assert [chart.title for chart in found["frcnn"]] == ["classifier", "box_reg", "objectness", "rpn_box_reg"]
    assert [line.dashed for line in found["frcnn"][0].lines] == [False, True]


def test_long_trainings_are_thinned_but_keep_both_ends(make_run, make_record):
    run = make_run(records=[make_record("a", 0, 0.5)])
    rows = [{"epoch": float(e), "metrics/AP": e / 2000} for e in range(1, 1001)]
    run.cell("a-s0").write_history(rows)
    (line,) = charts.learning(compare([run])[0]).lines
    epochs = line.xs.split()
    assert len(epochs) <= charts.MOST_POINTS + 1
    assert (epochs[0], epochs[-1]) == ("1", "1000")


def test_values_that_are_not_finite_are_left_out(make_run, make_record):
    run = make_run(records=[make_record("a", 0, 0.5)])
    run.cell("a-s0").write_history(
        [{"epoch": 1.0, "metrics/AP": 0.1, "train/x": float("nan")}, {"epoch": 2.0, "train/x": float("inf")}]
    )
    (comparison,) = compare([run])
    assert charts.learning(comparison).lines[0].xs == "1"
    assert charts.loss_charts(comparison) == []


def test_no_history_no_chart(make_run, make_record):
    run = make_run(records=[make_record("a", 0, 0.5)], without=("cells/a-s0/history.csv",))
    assert charts.learning(compare([run])[0]) is None


def test_class_strips_follow_the_support(comparison):
    rows = class_rows(comparison)
    assert [row.support for row in rows] == [120, 64, 31, 12, 3, 0]
    ap, counts = strips.ap_strips(comparison, rows), strips.count_strips(comparison, rows)
    assert [dot.x for dot in ap[0].dots] == pytest.approx([53.5, 47.0, 33.0])
    assert ap[5].dots == ()  # a class without ground truth has no AP
    assert counts[0].truth == pytest.approx(100 * 120 / rows[0].detections[0].mean, abs=0.01)
    assert counts[5].truth == 0 and counts[5].dots[0].x > 0
