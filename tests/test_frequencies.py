"""Which classes are rare."""

import pytest

from bench.frequencies import rare_classes


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
