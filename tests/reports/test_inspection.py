"""The section of curves: its figures are those of bench.analysis and of the records."""

import numpy as np
import pytest

from bench.analysis import confusion, crowding
from bench.evaluation import Judge
from bench.reports import confusions as confusions_module
from bench.reports.classes import class_scores
from bench.reports.comparison import compare
from bench.reports.confusions import confusions
from bench.reports.failures.errors import split_errors
from bench.reports.parts import interval, parts
from bench.reports.precision_recall import SCORES, by_class, over_score, precision_recall
from bench.reports.reliability import reliability


@pytest.fixture
def comparison(judged):
    classes = tuple("abcdefg")
    return compare([judged("one", "two", images=60, classes=classes)])[0]


def test_rates_at_the_own_threshold_are_the_record_s(comparison):
    for found in over_score(split_errors(comparison)):
        point = found.contestant.shown.ranked.operating_point
        assert (found.threshold, found.precision, found.recall, found.f1) == (
            point.score_threshold,
            pytest.approx(point.precision),
            pytest.approx(point.recall),
            pytest.approx(point.f1),
        )


def test_rates_over_the_score_are_those_of_the_detections_kept(comparison):
    for model, found in zip(
        split_errors(comparison).models, over_score(split_errors(comparison)), strict=True
    ):
        true, false = model.table.outcome()
        precision, recall, _, rule = found.chart.lines
        for score in (0.0, 0.25, 0.5, 0.75):
            kept = model.table.score >= score
            right, wrong = (true & kept).sum(), (false & kept).sum()
            place = precision.xs.index(score)
            assert precision.ys[place] == pytest.approx(right / (right + wrong))
            assert recall.ys[place] == pytest.approx(right / 180)
        assert rule.xs == (model.threshold,) * 2 and rule.rule
    assert len(SCORES) == 101


def test_curves_of_precision_end_at_the_recall_of_all_detections(comparison):
    chart = precision_recall(split_errors(comparison))
    for model, line in zip(split_errors(comparison).models, chart.lines, strict=True):
        true, _ = model.table.outcome()
        assert line.xs[-1] == pytest.approx(true.sum() / 180)
        assert list(line.xs) == sorted(line.xs) and len(line.xs) <= 100
    small = by_class(split_errors(comparison))
    assert small[0].title.startswith("a (") and len(small) == 7


def test_confusions_are_counted_and_lead_to_their_pictures(comparison):
    found = confusions(split_errors(comparison))
    for model, matrix in zip(split_errors(comparison).models, found.matrices, strict=True):
        counts = confusion(model.table, model.threshold).counts
        assert [[c.count for c in row] for _, row in matrix.rows] == counts.tolist()
        index = model.contestant.tone.index
        assert matrix.rows[0][1][-1].link == f"kind=missed&model={index}&class=0"
        assert matrix.rows[-1][1][1].link in ("", f"truth=none&model={index}&class=1")
        assert matrix.rows[0][1][0].link == "", "what is right is no error"
    most = found.pairs[0]
    total = sum(confusion(m.table, m.threshold).counts for m in split_errors(comparison).models)[:-1, :-1]
    np.fill_diagonal(total, 0)
    assert sum(c.count for c in most.counts) == total.max()
    truth, predicted = np.unravel_index(total.argmax(), total.shape)
    assert most.counts[0].link in ("", f"kind=class&model=0&class={predicted}&truth={truth}")


def test_of_many_classes_those_with_most_confusions_have_rows(comparison, monkeypatch):
    monkeypatch.setattr(confusions_module, "MOST_CLASSES", 3)
    found = confusions(split_errors(comparison))
    assert found.grouped == 4 and found.names[-2:] == ("all others", "background")
    for model, matrix in zip(split_errors(comparison).models, found.matrices, strict=True):
        counts = confusion(model.table, model.threshold).counts
        assert sum(c.count for _, row in matrix.rows for c in row) == counts.sum()
        assert all(c.link == "" for name, row in matrix.rows if name == "all others" for c in row)


def test_parts_have_the_figures_of_the_records_and_the_objects_of_the_split(comparison):
    found = {kind.title: kind for kind in parts(comparison)}
    assert set(found) == {"Object size", "Class frequency", "Overlap of objects"}, "each image has 3 objects"
    sizes = found["Object size"]
    assert sum(part.objects for part in sizes.rows) == 180
    for place, contestant in enumerate(sizes.contestants):
        medium = next(part for part in sizes.rows if part.name.startswith("medium")).estimates[place]
        assert medium.value == pytest.approx(contestant.spread(lambda r: r.ranked.coco.AP_medium).mean)
        assert medium.low < medium.value < medium.high
    rarest = found["Class frequency"].rows[0]
    of_classes = {row.name: row for row in class_scores(comparison)}
    smallest = sorted(of_classes.values(), key=lambda row: row.support)[:3]
    assert rarest.objects == sum(row.support for row in smallest)
    assert rarest.estimates[0].value == pytest.approx(np.mean([row.ap[0].mean for row in smallest]))
    judge = Judge.of_run(comparison.runs[0].folder)
    values = crowding(judge.ground_truth("test"))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    overlap = found["Overlap of objects"]
    assert sum(part.objects for part in overlap.rows) == 180
    assert f"{low:.2g}" in overlap.rows[0].name and f"{high:.2g}" in overlap.rows[-1].name


def test_classes_have_intervals(comparison):
    for row in class_scores(comparison):
        for ap, one in zip(row.ap, row.estimates, strict=True):
            assert one is None or one.value == pytest.approx(ap.mean)
    assert any(row.estimates[0] for row in class_scores(comparison))
    assert interval(None) == "\N{EN DASH}"


def test_reliability_leaves_out_nothing_but_the_tail(comparison):
    found = reliability(split_errors(comparison))
    (perfect, *lines) = found.chart.lines
    assert perfect.xs == perfect.ys == (0.0, 1.0)
    for model, line, row in zip(split_errors(comparison).models, lines, found.rows, strict=True):
        true, false = model.table.outcome()
        kept = (true | false) & (model.table.score >= 0.9)
        assert line.xs[-1] == pytest.approx(model.table.score[kept].mean())
        assert line.ys[-1] == pytest.approx(true[kept].mean())
        assert 0 < float(row.d_ece) < 1 and 0 < float(row.o_lrp) < 1


def test_marks_know_the_class_that_they_are_taken_for(comparison):
    from bench.reports.failures.gallery import gallery

    marks = [m for shot in gallery(comparison).shots for p in shot.panels for m in p.marks]
    wrong = [m for m in marks if m.kind == "class"]
    assert all((m.truth is not None) == (m.kind in ("class", "missed")) for m in marks)
    assert all(m.truth != m.label for m in wrong)
    assert wrong
