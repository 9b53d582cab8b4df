"""Precision, recall and F1 at a score threshold, and the choice of the threshold on val."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.evaluation import GroundTruth, Results, best_threshold, match
from bench.evaluation.figures import split_figures
from bench.evaluation.operating_point import NOTHING_TO_CHOOSE
from bench.records import SplitFigures

THOROUGH = settings(max_examples=80, deadline=None)


def verdict(truth: GroundTruth, results: Results, threshold: float | None) -> SplitFigures:
    """At `threshold`, or at the best of the results themselves."""
    table = match(truth, results)
    return split_figures(table, best_threshold(table) if threshold is None else threshold)


def cut(scene: Any, threshold: float) -> Any:
    """The scene with the detections at or over the threshold only."""
    coco, results = scene
    return coco, [one for one in results if one["score"] >= threshold]


def f1(counts: tuple[int, int, int]) -> float:
    """0 where it is undefined."""
    true, false, missed = counts
    return 2 * true / (2 * true + false + missed) if true else 0.0


@THOROUGH
@given(data=st.data())
def test_a_cut_leaves_the_matches_above_it(data: Any, scenes: Any, judged: Any, referee: Any) -> None:
    """Counts at a threshold are those of pycocotools run anew on the detections that are left."""
    scene = data.draw(scenes)
    threshold = data.draw(st.sampled_from([0.0, 0.25, 0.5, 0.500001, 0.7, 1.0]))
    truth, results = judged(scene)
    point = verdict(truth, results, threshold).operating_point
    counts = (point.true_positives, point.false_positives, point.false_negatives)
    assert counts == referee(cut(scene, threshold), ious=[0.5]).counts()
    assert point.score_threshold == threshold


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_threshold_is_the_best_of_all_and_the_highest_of_the_best(
    data: Any, scenes: Any, judged: Any, referee: Any
) -> None:
    """Against every cut there is, judged by pycocotools."""
    scene = data.draw(scenes)
    truth, results = judged(scene)
    scores = sorted({one["score"] for one in scene[1]}, reverse=True)
    reached = {score: f1(referee(cut(scene, score), ious=[0.5]).counts()) for score in scores}
    best = max(reached.values(), default=0.0)
    expected = next((score for score in scores if reached[score] == best > 0), NOTHING_TO_CHOOSE)
    assert best_threshold(match(truth, results)) == expected
    if best > 0:
        assert verdict(truth, results, None).operating_point.f1 == pytest.approx(best)


def test_counts_and_rates_of_a_scene_counted_by_hand(judged: Any) -> None:
    """At 0.5: one of two cats found, found again (false), a crowd hit (neither), a dog seen (false)."""
    cat, crowd, far = [0.0, 0.0, 40.0, 40.0], [100.0, 100.0, 80.0, 80.0], [300.0, 300.0, 40.0, 40.0]
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 400, "height": 400}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": cat, "area": 1600.0, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": far, "area": 1600.0, "iscrowd": 0},
            {"id": 3, "image_id": 1, "category_id": 1, "bbox": crowd, "area": 6400.0, "iscrowd": 1},
        ],
    }
    found = [
        {"image_id": 1, "category_id": category, "bbox": box, "score": score}
        for category, box, score in [
            (1, cat, 0.9),
            (1, cat, 0.8),
            (1, crowd, 0.7),
            (2, cat, 0.5),
            (1, far, 0.4),
        ]
    ]
    truth, results = judged((coco, found))
    figures = verdict(truth, results, 0.5)
    point = figures.operating_point
    assert (point.true_positives, point.false_positives, point.false_negatives) == (1, 2, 1)
    assert (point.precision, point.recall, point.f1) == (1 / 3, 1 / 2, 2 / 5)
    assert [(one.ground_truths, one.detections) for one in figures.classes] == [(2, 2), (0, 1)]
    # 0.9 gives 2*1/(1+2) = 0.667, 0.4 gives 2*2/(4+2) = 0.667: a tie, and the higher one is taken.
    assert best_threshold(match(truth, results)) == 0.9


def test_without_a_true_positive_nothing_is_kept(judged: Any, one_box_scene: Any) -> None:
    coco, (found,) = one_box_scene
    truth, results = judged((coco, [{**found, "bbox": [200.0, 200.0, 9.0, 9.0]}]))
    assert best_threshold(match(truth, results)) == NOTHING_TO_CHOOSE
    point = verdict(truth, results, None).operating_point
    assert (point.precision, point.recall, point.f1) == (None, 0.0, 0.0)


def test_without_objects_recall_is_undefined(judged: Any, empty_scene: Any) -> None:
    truth, results = judged(empty_scene)
    point = verdict(truth, results, 0.5).operating_point
    assert (point.precision, point.recall, point.f1) == (None, None, None)


def test_a_given_threshold_is_used_whatever_would_be_better(judged: Any, one_box_scene: Any) -> None:
    truth, results = judged(one_box_scene)
    assert verdict(truth, results, 0.8).operating_point.true_positives == 0
    assert verdict(truth, results, None).operating_point.true_positives == 1


def test_equal_scores_are_kept_or_cut_together(judged: Any, scene_of: Any) -> None:
    """At 0.9 one of two boxes is found with two false alarms, F1 0.4; the first alone would have 0.667."""
    first, second, nowhere = (0, 0, 10, 10), (50, 50, 10, 10), (80, 10, 10, 10)
    found = [(0, 0, first, 0.9), (0, 0, nowhere, 0.9), (0, 0, nowhere, 0.9), (0, 0, second, 0.4)]
    truth, results = judged(scene_of([(0, 0, first, 0), (0, 0, second, 0)], found, 1, 1))
    assert best_threshold(match(truth, results)) == 0.4
