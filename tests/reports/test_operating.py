"""Thresholds that val chooses for a purpose, and what they give on test."""

import json
from itertools import count

import numpy as np
import pytest

from bench.analysis import score_curve, threshold_for_precision
from bench.evaluation import Results, load_ground_truth, match, matches_of
from bench.evaluation.operating_point import Candidates
from bench.reports.comparison import compare
from bench.reports.operating import MISS_COSTS, NOTHING, chosen_thresholds, operating_figures

BOX, ELSEWHERE = [10.0, 10.0, 40.0, 40.0], [100.0, 100.0, 40.0, 40.0]


@pytest.fixture
def split(tmp_path):
    """split(scores of hits by image, scores of false alarms by image, missed) -> a match table, one class."""
    number = count()

    def make(hits, alarms, missed=0):
        images = len(hits) + missed
        path = tmp_path / f"{next(number)}.json"
        objects = [
            {"id": k + 1, "image_id": k + 1, "category_id": 1, "bbox": BOX, "area": 1600.0, "iscrowd": 0}
            for k in range(images)
        ]
        truth = {
            "images": [{"id": k + 1} for k in range(images)],
            "categories": [{"id": 1, "name": "x"}],
            "annotations": objects,
        }
        path.write_text(json.dumps(truth))
        found = [(k, BOX, score) for k, score in enumerate(hits)]
        found += [(k, ELSEWHERE, score) for k, scores in enumerate(alarms) for score in scores]
        results = Results(
            image_ids=np.array([k + 1 for k, _, _ in found]),
            category_ids=np.ones(len(found), dtype=np.int64),
            boxes_xywh=np.array([box for _, box, _ in found]),
            scores=np.array([score for _, _, score in found]),
        )
        return match(load_ground_truth(path), results)

    return make


def on_itself(table):
    return {name: float(v[0]) for name, v in operating_figures(
        table, chosen_thresholds(table), np.ones((1, table.images), dtype=np.int64)
    ).items()}  # fmt: skip


def test_recall_where_val_reaches_a_precision(split):
    val = split([0.9, 0.8, 0.7, 0.6], [[0.65], [], [], []])
    chosen = chosen_thresholds(val)
    assert chosen["recall_at_precision_0.95"] == 0.7
    assert on_itself(val)["recall_at_precision_0.95"] == 0.75
    assert on_itself(val)["precision_at_precision_0.95"] == 1.0
    test = split([0.9, 0.8, 0.5, 0.4], [[0.75], [], [], []])
    found = operating_figures(test, chosen, np.ones((1, 4), dtype=np.int64))
    assert found["recall_at_precision_0.95"] == [0.5], "the threshold is val's"
    assert found["precision_at_precision_0.95"] == pytest.approx([2 / 3])


def test_a_precision_that_val_never_reaches_keeps_nothing(split):
    val = split([0.5, 0.4], [[0.9, 0.8], []])
    assert chosen_thresholds(val)["recall_at_precision_0.99"] == NOTHING
    assert on_itself(val)["recall_at_precision_0.99"] == 0.0


def test_precision_where_val_reaches_a_recall(split):
    val = split([0.9, 0.8, 0.7, 0.2], [[0.3], [0.1], [], []])
    assert chosen_thresholds(val)["precision_at_recall_0.9"] == 0.2
    assert on_itself(val)["precision_at_recall_0.9"] == pytest.approx(4 / 5)
    lacking = chosen_thresholds(split([0.9, 0.8], [[], []], missed=2))
    assert "precision_at_recall_0.9" not in lacking, "half of the objects are never found"


def test_the_threshold_of_least_cost_is_the_least_over_all_scores(split):
    chance = np.random.default_rng(3)
    val = split(chance.random(30).tolist(), [chance.random(2).tolist() for _ in range(30)], missed=4)
    true, false = val.outcome()
    found = on_itself(val)
    for cost in MISS_COSTS:
        least = min(
            cost * (34 - (true & (val.score >= t)).sum()) + (false & (val.score >= t)).sum()
            for t in [*val.score, np.inf]
        )
        assert found[f"error_cost_{cost:g}"] == pytest.approx(least / 34)


def test_draws_weigh_the_images(split):
    val = split([0.9, 0.8], [[], [0.85]])
    chosen = {"error_cost_2": 0.8, "recall_at_precision_0.95": 0.85}
    drawn = operating_figures(val, chosen, np.array([[2, 0], [0, 2]]))
    assert drawn["error_cost_2"].tolist() == [0.0, 1.0]
    assert drawn["recall_at_precision_0.95"].tolist() == [1.0, 0.0]


def test_a_run_s_figures_are_those_of_thresholds_from_its_val_split(judged):
    run = judged("a", "b", seeds=1)
    (comparison,) = compare([run])
    known = comparison.certainty
    for place, model in enumerate(known.models):
        cell = run.cell(f"{model}-s0")
        val, test = (matches_of(run, cell, split) for split in ("val", "test"))
        threshold = threshold_for_precision(score_curve(val), 0.95)
        point = Candidates.of(test).operating_point(threshold)
        found = dict(zip(known.names, known.values[place], strict=True))
        assert found["recall_at_precision_0.95"] == pytest.approx(point.recall)
        assert found["precision_at_precision_0.95"] == pytest.approx(point.precision)
        assert known.draws[:, place, known.names.index("recall_at_precision_0.95")].std() > 0


def test_a_run_without_val_predictions_lacks_only_those_figures(judged):
    run = judged("a", "b", seeds=1)
    for model in "ab":
        run.cell(f"{model}-s0").predictions_path("val").unlink()
        run.cell(f"{model}-s0").matches_path("val").unlink()
    known = compare([run])[0].certainty
    assert "AP" in known.names and "error_cost_1" not in known.names
