"""Class weights, and which classes are rare."""

import math

import pytest

from bench.frequencies import class_weights, rare_classes
from bench.loss import LossConfig


@pytest.mark.parametrize(
    ("counts", "rare"),
    [
        ({"a": 80, "b": 15, "c": 5}, ("c", "b")),  # a fifth, and no more
        ({"a": 79, "b": 16, "c": 5}, ("c",)),
        ({"a": 90, "c": 5, "b": 5, "none": 0}, ("b", "c")),
        ({"a": 50, "b": 50}, ()),
        (dict.fromkeys(("apple", "pear", "plum", "fig", "kiwi"), 100), ()),  # equal: no accident of names
        ({"a": 120, "b": 110, "c": 90, "d": 80, "e": 49, "f": 51}, ()),
        ({"a": 140, "b": 130, "c": 90, "d": 80, "e": 39, "f": 41}, ("e", "f")),  # at most half of 520 / 6
        ({}, ()),
    ],
)
def test_the_rare_hold_at_most_a_fifth_of_the_boxes(counts: dict[str, int], rare: tuple[str, ...]) -> None:
    assert rare_classes(counts) == rare


COUNTS = {"many": 60, "some": 30, "few": 10, "none": 0}


@pytest.mark.parametrize(
    ("scheme", "weights"),
    [
        ("inverse_frequency", (100 / 180, 100 / 90, 100 / 30)),
        ("inverse_sqrt", (math.sqrt(100 / 180), math.sqrt(100 / 90), math.sqrt(100 / 30))),
        ("effective_number", tuple((1 - 0.999) / (1 - 0.999**count) for count in (60, 30, 10))),
        ("hard", (100 / 180, 1.0, 1.0)),
    ],
)
@pytest.mark.parametrize("normalise", [False, True])
def test_weights_follow_their_formula_and_their_mean_over_the_boxes_may_be_1(
    scheme: str, weights: tuple[float, ...], normalise: bool
) -> None:
    config = LossConfig.model_validate(
        {"classification": "weighted", "class_weights": scheme, "normalise": normalise}
    )
    found = class_weights(config, COUNTS)
    mean = sum(count * weight for count, weight in zip((60, 30, 10), weights, strict=True)) / 100
    scale = mean if normalise else 1.0
    assert found.tolist() == pytest.approx([*(weight / scale for weight in weights), 0.0])
