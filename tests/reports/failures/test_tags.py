"""Labels cover neither each other nor leave the picture."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from bench.reports.failures.tags import Rect, place

SIDES = st.floats(0, 95)
RECTS = st.lists(st.builds(Rect, SIDES, SIDES, st.floats(1, 40), st.floats(1, 40)), max_size=15)


@given(RECTS)
def test_no_two_labels_meet_and_none_leaves_the_picture(boxes):
    placed = place(boxes, ["bottle 0.87"] * len(boxes), (640, 480))
    found = [tag for tag in placed if tag]
    assert len(placed) == len(boxes)
    assert not any(one.meets(other) for one, other in combinations(found, 2))
    assert all(tag.left >= 0 and tag.top >= 0 and tag.right <= 100 and tag.bottom <= 100 for tag in found)
    assert not boxes or found, "the first always finds a place"


def test_a_label_stands_above_its_box_and_the_next_makes_way():
    box = Rect(20, 40, 20, 20)
    first, second = place([box, box], ["cup", "cup"], (100, 100))
    assert (first.left, first.bottom) == (20, 40)
    assert (second.left, second.top) == (20, 60)


def test_at_the_upper_edge_it_stands_below_and_without_room_nowhere():
    (tag,) = place([Rect(0, 0, 30, 30)], ["cup"], (100, 100))
    assert tag.top == 30
    crowded = place([Rect(0, 0, 100, 100)] * 12, ["a long name of a class 0.99"] * 12, (100, 40))
    assert None in crowded
