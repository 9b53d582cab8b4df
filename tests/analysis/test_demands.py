"""Thresholds come from val alone; figures from test alone."""

from typing import Any

import numpy as np
import pytest

from bench.analysis import ValAndTest, demanded, val_threshold

BOX, OTHER = (10.0, 10.0, 40.0, 40.0), (100.0, 10.0, 40.0, 40.0)


@pytest.fixture
def val(table_of: Any) -> Any:
    """Hit .9, miss .8, hit .7, hit .6, miss .5, of four objects."""
    places = [(0, BOX, 0.9), (0, OTHER, 0.8), (1, BOX, 0.7), (2, BOX, 0.6), (3, OTHER, 0.5)]
    objects = [(image, 0, BOX, False) for image in range(4)]
    return table_of(objects, [(image, 0, box, score) for image, box, score in places], 4, 1)


@pytest.fixture
def test_split(table_of: Any) -> Any:
    """40 images; every second object is found with .65, every fourth image has a false alarm with .75."""
    objects = [(image, 0, BOX, False) for image in range(40)]
    found = [(image, 0, BOX, 0.65) for image in range(0, 40, 2)]
    return table_of(objects, found + [(image, 0, OTHER, 0.75) for image in range(0, 40, 4)], 40, 1)


def test_the_threshold_is_vals_and_the_figures_are_tests(val: Any, test_split: Any) -> None:
    found = demanded({"a": [ValAndTest(val, test_split)] * 2}, np.arange(40), precision=0.7)
    assert [point.score_threshold for point in found.points["a"] if point] == [0.6, 0.6]
    assert found.recall is not None and found.recall.means.tolist() == [0.5]
    assert found.precision is not None and found.precision.means.tolist() == [20 / 30]
    assert found.recall.covariance[0, 0] == pytest.approx(0.5 * 0.5 / 39, rel=0.2)


def test_a_demand_that_val_can_t_meet_leaves_the_model_out(val: Any, test_split: Any) -> None:
    """Three of the four objects of val are found; on the other split a false alarm has the best score."""
    pair = ValAndTest(val, test_split)
    assert val_threshold(val, recall=0.75) == 0.6
    found = demanded({"a": [pair]}, np.arange(40), recall=0.8)
    assert found.points == {"a": (None,)} and found.recall is None
    found = demanded({"a": [pair], "b": [ValAndTest(test_split, test_split)]}, np.arange(40), precision=1.0)
    assert found.points["b"] == (None,)
    assert found.recall is not None and found.recall.models == ("a",)
