"""Rates over weighted images against counts, and against the images written out."""

from typing import Any

import numpy as np
import pytest

from bench.analysis import RATES, Counts, counting_error, errors_at, of_images
from bench.analysis.errors import KINDS
from bench.evaluation.operating_point import Candidates

IMAGES, CLASSES, THRESHOLD = 25, 4, 0.4


@pytest.fixture
def table(scene: Any, table_of: Any) -> Any:
    return table_of(*scene(2), IMAGES, CLASSES)


def test_rates_are_those_of_the_counts(table: Any) -> None:
    rates = Counts.of(table, THRESHOLD).rates(np.ones((1, IMAGES), dtype=np.int64))
    found = {name: values.item() for name, values in rates.items()}
    point = Candidates.of(table).operating_point(THRESHOLD)
    errors, counting = errors_at(table, THRESHOLD), counting_error(table, THRESHOLD)
    objects = point.true_positives + point.false_negatives
    assert list(found) == list(RATES)
    assert (found["precision"], found["recall"], found["f1"]) == (point.precision, point.recall, point.f1)
    for kind in KINDS:
        assert errors.count(kind) and found[f"{kind}_per_object"] == errors.count(kind) / objects
    assert found["false_positives_per_image"] == point.false_positives / IMAGES
    assert found["count_error"] == pytest.approx(counting.mean_absolute_error)
    assert found["count_bias"] == pytest.approx(counting.bias)


def test_by_class_each_detection_counts_for_the_class_that_it_names(table: Any) -> None:
    ones = np.ones((1, IMAGES), dtype=np.int64)
    rates = Counts.of(table, THRESHOLD, by_class=True).rates(ones)
    true, false = table.outcome()
    kept = table.score >= THRESHOLD
    for label in range(CLASSES):
        mine = kept & (table.label == label)
        right, wrong = np.count_nonzero(true & mine), np.count_nonzero(false & mine)
        assert rates["precision"][0, label] == right / (right + wrong)
        assert rates["recall"][0, label] == right / table.support[label]
    np.testing.assert_allclose(rates["count_error"][0], counting_error(table, THRESHOLD).by_class)


def test_an_image_of_weight_two_counts_twice(table: Any) -> None:
    """One image thrice and another once: sums by hand, from the two alone."""
    weights = np.zeros((1, IMAGES), dtype=np.int64)
    weights[0, 3], weights[0, 7] = 3, 1
    found = Counts.of(table, THRESHOLD).rates(weights)
    points = [
        Candidates.of(of_images(table, np.arange(IMAGES) == image)).operating_point(THRESHOLD)
        for image in (3, 3, 3, 7)
    ]
    true = sum(point.true_positives for point in points)
    false = sum(point.false_positives for point in points)
    off = sum(abs(point.false_positives - point.false_negatives) for point in points)
    assert found["precision"].item() == true / (true + false)
    assert found["count_error"].item() == off / 4


def test_a_share_of_nothing_is_unknown(table_of: Any) -> None:
    empty = table_of([], [(0, 0, (1.0, 1.0, 5.0, 5.0), 0.9)], 2, 1)
    rates = Counts.of(empty, 0.5).rates(np.array([[1, 1], [0, 1]]))
    assert np.isnan(rates["recall"]).all() and np.isnan(rates["background_per_object"]).all()
    assert rates["precision"][0, 0] == 0 and np.isnan(rates["precision"][1, 0])
    assert rates["false_positives_per_image"][:, 0].tolist() == [0.5, 0.0]
