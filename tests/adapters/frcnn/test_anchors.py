"""k-means of boxes by overlap. No torch."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.adapters.frcnn import anchors
from bench.layout import Example
from bench.recipe import InputSize

SIDE = st.floats(1, 500)


def _groups(*centres: tuple[float, float], each: int = 40) -> anchors.Shapes:
    random = np.random.default_rng(0)
    return np.concatenate([np.array(centre) * random.uniform(0.95, 1.05, (each, 2)) for centre in centres])


def test_groups_of_boxes_are_found() -> None:
    shapes = _groups((200, 80), (10, 10), (20, 60))
    found = anchors.fitted(shapes, 3)
    np.testing.assert_allclose(found, [[10, 10], [20, 60], [200, 80]], rtol=0.03)
    assert anchors.overlap(shapes, found) > 0.93


def test_small_boxes_count_as_much_as_large_ones() -> None:
    """Plain distance would spend all anchors on the large ones."""
    found = anchors.fitted(_groups((4, 4), (8, 8), (300, 300), (330, 330)), 3)
    assert (found[:, 0] < 10).sum() == 2


def test_fitted_anchors_overlap_better_than_torchvisions() -> None:
    random = np.random.default_rng(5)
    shapes = np.exp(random.normal((3.0, 3.8), (0.5, 0.3), (500, 2)))
    sizes, ratios = np.array([32, 64, 128, 256, 512.0]), np.sqrt([0.5, 1, 2])
    usual = np.array([[size / root, size * root] for size in sizes for root in ratios])
    assert anchors.overlap(shapes, anchors.fitted(shapes, 15)) > anchors.overlap(shapes, usual) + 0.2


@given(shapes=st.lists(st.tuples(SIDE, SIDE), min_size=6, max_size=30, unique=True), count=st.integers(1, 6))
def test_anchors_lie_among_the_boxes_and_come_by_area(shapes: list[tuple[float, float]], count: int) -> None:
    boxes = np.array(shapes)
    found = anchors.fitted(boxes, count)
    assert found.shape == (count, 2)
    assert (found >= boxes.min(axis=0) - 0.01).all()
    assert (found <= boxes.max(axis=0) + 0.01).all()
    areas = found.prod(axis=1)
    assert (areas[1:] - areas[:-1] >= -0.01 * areas[1:] - 1).all()
    np.testing.assert_array_equal(found, anchors.fitted(boxes, count))


def test_shapes_that_are_alike_count_once() -> None:
    assert anchors.different(np.array([[10.0, 10], [10, 10], [5, 5]])) == 2


def test_many_boxes_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "MOST_BOXES", 60)
    found = anchors.fitted(_groups((200, 80), (10, 10), each=500), 2)
    np.testing.assert_allclose(found, [[10, 10], [200, 80]], rtol=0.03)


def test_shapes_are_those_that_the_network_sees() -> None:
    example = Example(
        image_id=1,
        path=Path("wide.png"),
        size_wh=(200, 100),
        boxes_xyxy=np.array([[10.0, 20, 30, 60], [0, 0, 200, 100]]),
        labels=np.array([0, 0]),
        crowd=np.array([False, True]),
    )
    assert anchors.shapes_of([example], InputSize(100, 100)).tolist() == [[10.0, 20.0]]
    assert anchors.shapes_of([example], InputSize(200, 600)).tolist() == [[40.0, 80.0]]
    assert anchors.shapes_of([], InputSize(64, 64)).shape == (0, 2)
