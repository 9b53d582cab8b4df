"""Curves, confusion, counts, calibration and agreement against figures counted by hand and in plain loops."""

from typing import Any

import numpy as np
import pytest

from bench.analysis import (
    agreement,
    calibration,
    confusion,
    counting_error,
    localisation_recall_precision,
    score_curve,
    threshold_for_precision,
    threshold_for_recall,
)
from bench.errors import RunError
from bench.evaluation.operating_point import Candidates

IMAGES, CLASSES = 25, 4
BOX, OTHER = (10.0, 10.0, 40.0, 40.0), (100.0, 10.0, 40.0, 40.0)


def outcomes(table: Any) -> list[tuple[int, float, bool, float]]:
    """(class, score, right, IoU of the match) of every detection that counts, from the table alone."""
    true, false = table.outcome()
    return [
        (int(table.label[n]), float(table.score[n]), bool(true[n]), float(table.matched_iou()[n]))
        for n in range(len(table))
        if true[n] or false[n]
    ]


def test_every_point_of_the_curve_is_the_operating_point_at_its_score(scene: Any, table_of: Any) -> None:
    table = table_of(*scene(0), IMAGES, CLASSES)
    curve = score_curve(table)
    candidates = Candidates.of(table)
    for place in range(0, len(curve.scores), 20):
        point = candidates.operating_point(float(curve.scores[place]))
        assert point.precision == curve.precision[place] and point.recall == curve.recall[place]
        assert point.f1 == curve.f1[place]
    assert candidates.best_threshold() == curve.scores[curve.f1.argmax()]


def test_curves_of_classes_and_sizes_add_up(scene: Any, table_of: Any) -> None:
    table = table_of(*scene(0), IMAGES, CLASSES)
    by_class = [score_curve(table, label=label) for label in range(CLASSES)]
    whole = score_curve(table)
    assert sum(one.objects for one in by_class) == whole.objects == table.support.sum()
    assert sum(one.true_positives[-1] for one in by_class) == whole.true_positives[-1]
    assert score_curve(table, iou=0.75).true_positives[-1] < whole.true_positives[-1]
    sizes = [score_curve(table, area=area).objects for area in ("small", "medium", "large")]
    assert sum(sizes) == whole.objects and sizes[0] and sizes[1]


def test_thresholds_for_a_demanded_precision_or_recall(table_of: Any) -> None:
    """Hit .9, miss .8, hit .7, hit .6, miss .5, of four objects: precision 1, 1/2, 2/3, 3/4, 3/5."""
    objects = [(image, 0, BOX, False) for image in range(4)]
    detections = [
        (0, 0, BOX, 0.9),
        (0, 0, OTHER, 0.8),
        (1, 0, BOX, 0.7),
        (2, 0, BOX, 0.6),
        (3, 0, OTHER, 0.5),
    ]
    curve = score_curve(table_of(objects, detections, 4, 1))
    assert [threshold_for_precision(curve, p) for p in (0.5, 0.7, 0.8, 1.0)] == [0.5, 0.6, 0.9, 0.9]
    assert threshold_for_precision(curve, 1.1) is None
    assert [threshold_for_recall(curve, r) for r in (0.25, 0.5, 0.75, 0.76)] == [0.9, 0.7, 0.6, None]


def test_equal_scores_are_one_point_of_the_curve(table_of: Any) -> None:
    curve = score_curve(table_of([(0, 0, BOX, False)], [(0, 0, BOX, 0.5), (0, 0, OTHER, 0.5)], 1, 1))
    assert (curve.scores.tolist(), curve.precision.tolist()) == ([0.5], [0.5])


def test_confusion_counted_by_hand(table_of: Any) -> None:
    """A cat found, one seen as dog and, scored lower, as cow; a dog missed, one of nothing, one on crowd."""
    third, crowd = (10.0, 100.0, 40.0, 40.0), (200.0, 200.0, 90.0, 90.0)
    objects = [(0, 0, BOX, False), (0, 0, OTHER, False), (0, 1, third, False), (0, 1, crowd, True)]
    detections = [
        (0, 0, BOX, 0.9),
        (0, 1, OTHER, 0.8),
        (0, 2, OTHER, 0.7),
        (0, 1, (300.0, 10.0, 9.0, 9.0), 0.6),
        (0, 1, crowd, 0.6),
        (0, 1, third, 0.2),
    ]
    table = table_of(objects, detections, 1, 3)
    found = confusion(table, 0.5)
    assert found.counts.tolist() == [[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]]
    assert found.rates[0].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert confusion(table, 0.1).counts[1].tolist() == [0, 1, 0, 0]
    assert found.class_error == 0.5 and confusion(table, 0.1).class_error == pytest.approx(1 / 3)
    assert confusion(table, 0.95).class_error is None


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.95])
def test_confusion_counts_every_object_and_detection_once(
    scene: Any, table_of: Any, threshold: float
) -> None:
    table = table_of(*scene(1), IMAGES, CLASSES)
    counts = confusion(table, threshold).counts
    assert counts[:-1].sum(axis=1).tolist() == table.support.tolist()
    kept = Candidates.of(table).detections_by_class(threshold, CLASSES)
    assert counts[:, :-1].sum(axis=0).tolist() == kept.tolist()
    assert np.trace(counts) == Candidates.of(table).operating_point(threshold).true_positives
    assert counts[-1, -1] == 0


def test_counting_errors_counted_by_hand(table_of: Any) -> None:
    """Image 0: 2 cats seen as 1 cat and 1 dog. Image 1: nothing, 3 dogs seen. Image 2: nothing."""
    objects = [(0, 0, BOX, False), (0, 0, OTHER, False)]
    dogs = [(1, 1, (50.0 * n, 100.0, 40.0, 40.0), 0.9) for n in range(3)]
    detections = [(0, 0, BOX, 0.9), (0, 1, OTHER, 0.9), (0, 1, OTHER, 0.1), *dogs]
    found = counting_error(table_of(objects, detections, 3, 2), 0.5)
    assert found.differences.tolist() == [[-1, 1], [0, 3], [0, 0]]
    assert (found.mean_absolute_error, found.bias) == (1.0, 1.0)
    assert found.by_class.tolist() == pytest.approx([1 / 3, 4 / 3])


def test_calibration_in_plain_loops(scene: Any, table_of: Any) -> None:
    table = table_of(*scene(2), IMAGES, CLASSES)
    seen = outcomes(table)
    found = calibration(table, lowest_score=0.3, bins=10)
    kept = [one for one in seen if one[1] >= 0.3]
    gap, by_class = 0.0, []
    for number in range(10):
        mine = [one for one in kept if min(int(one[1] * 10), 9) == number]
        assert found.counts[number] == len(mine)
        if mine:
            precision, score = np.mean([one[2] for one in mine]), np.mean([one[1] for one in mine])
            assert found.precisions[number] == pytest.approx(precision)
            assert found.mean_scores[number] == pytest.approx(score)
            gap += len(mine) / len(kept) * abs(precision - score)
    assert found.d_ece == pytest.approx(gap)
    for label in range(CLASSES):
        of_class, total = [one for one in kept if one[0] == label], 0.0
        for number in range(10):
            mine = [one for one in of_class if min(int(one[1] * 10), 9) == number]
            overlaps = [one[3] for one in mine if one[2]]
            quality = np.mean([one[2] for one in mine]) * np.mean(overlaps) if overlaps else 0.0
            if mine:
                total += len(mine) / len(of_class) * abs(np.mean([one[1] for one in mine]) - quality)
        by_class.append(total)
    assert found.la_ece == pytest.approx(np.mean(by_class))


def test_scores_that_are_precisions_are_calibrated(table_of: Any) -> None:
    objects = [(image, 0, BOX, False) for image in range(3)]
    detections = [(image, 0, BOX if image < 3 else OTHER, 0.75) for image in range(4)]
    found = calibration(table_of(objects, detections, 4, 1))
    assert found.d_ece == found.la_ece == 0.0
    empty = calibration(table_of(objects, [], 4, 1))
    assert (empty.d_ece, empty.la_ece) == (None, None)


def test_optimal_lrp_in_plain_loops(scene: Any, table_of: Any) -> None:
    table = table_of(*scene(3), IMAGES, CLASSES)
    seen = outcomes(table)
    for label, found in enumerate(localisation_recall_precision(table)):
        objects, best = int(table.support[label]), (1.0, None)
        for threshold in sorted({one[1] for one in seen if one[0] == label}, reverse=True):
            kept = [one for one in seen if one[0] == label and one[1] >= threshold]
            right = [one for one in kept if one[2]]
            missing = objects - len(right)
            localisation = sum((1 - one[3]) / 0.5 for one in right)
            error = (localisation + len(kept) - len(right) + missing) / (len(kept) + missing)
            best = min(best, (error, threshold), key=lambda pair: pair[0])
        assert found.error == pytest.approx(best[0]) and found.score_threshold == best[1]


def test_lrp_of_perfect_useless_and_absent_classes(table_of: Any) -> None:
    objects = [(0, 0, BOX, False), (0, 1, OTHER, False)]
    table = table_of(objects, [(0, 0, BOX, 0.8), (0, 1, BOX, 0.7), (0, 2, BOX, 0.7)], 1, 3)
    found = localisation_recall_precision(table)
    assert [(one.error, one.score_threshold) for one in found] == [(0.0, 0.8), (1.0, None), (None, None)]


def test_the_overlap_of_a_match_is_that_of_its_boxes(scene: Any, table_of: Any, iou_of: Any) -> None:
    objects, detections = scene(4)
    table = table_of(objects, detections, IMAGES, CLASSES)
    true, _ = table.outcome()
    matched = table.matched_object()
    assert true.sum() > 20
    for place in np.flatnonzero(true):
        box, thing = detections[table.row[place]][2], objects[matched[place]][2]
        assert table.matched_iou()[place] == pytest.approx(iou_of(box, thing))
    assert (table.matched_iou()[matched < 0] == 0).all()


def test_agreement_counted_by_hand(table_of: Any) -> None:
    """An object in each image; the first model finds 0 and 1, the second 1, 2 and one of nothing in 0."""
    objects = [(image, 0, BOX, False) for image in range(4)]
    first = table_of(objects, [(0, 0, BOX, 0.9), (1, 0, BOX, 0.8), (2, 0, BOX, 0.1)], 4, 1)
    second = table_of(objects, [(1, 0, BOX, 0.9), (2, 0, BOX, 0.7), (0, 0, OTHER, 0.9)], 4, 1)
    found = agreement([first, second], [0.5, 0.6])
    assert (found.by_all, found.by_none, found.alone.tolist()) == (1, 1, [1, 1])
    assert found.overlap.tolist() == [[1.0, 1 / 3], [1 / 3, 1.0]]
    assert found.union_recall == 0.75
    assert found.oracle_f1 == pytest.approx(2 * 3 / (2 * 3 + 1))  # nothing false, one missed


def test_models_on_different_objects_are_refused(table_of: Any) -> None:
    one = table_of([(0, 0, BOX, False)], [], 1, 1)
    two = table_of([(0, 0, BOX, False), (0, 0, OTHER, False)], [], 1, 1)
    with pytest.raises(RunError, match="different objects"):
        agreement([one, two], [0.5, 0.5])
