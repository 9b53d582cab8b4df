"""Box geometry: each conversion against its inverse and against hand-made figures."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench import boxes

CORNERS = arrays(np.float64, (5, 2), elements=st.floats(0, 1000, width=32))


@given(CORNERS, CORNERS)
def test_conversions_undo_each_other(first: np.ndarray, second: np.ndarray) -> None:
    xyxy = np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)
    size = np.array([640.0, 480.0])
    np.testing.assert_allclose(boxes.xywh_to_xyxy(boxes.xyxy_to_xywh(xyxy)), xyxy, atol=1e-9)
    norm = boxes.xyxy_to_cxcywh_norm(xyxy, size)
    np.testing.assert_allclose(boxes.cxcywh_norm_to_xyxy(norm, size), xyxy, atol=1e-9)


def test_known_figures() -> None:
    xyxy = np.array([[10.0, 20.0, 30.0, 60.0]])
    assert boxes.xyxy_to_xywh(xyxy).tolist() == [[10, 20, 20, 40]]
    assert boxes.xyxy_to_cxcywh_norm(xyxy, np.array([100.0, 200.0])).tolist() == [[0.2, 0.2, 0.2, 0.2]]
    assert boxes.area(xyxy).tolist() == [800]


def test_clip_keeps_what_lies_inside() -> None:
    outside = np.array([[-5.0, -5.0, 5.0, 5.0], [90.0, 10.0, 120.0, 20.0], [200.0, 200.0, 210.0, 210.0]])
    clipped = boxes.clip(outside, np.array([100.0, 50.0]))
    assert clipped.tolist() == [[0, 0, 5, 5], [90, 10, 100, 20], [100, 50, 100, 50]]
    assert boxes.area(clipped).tolist() == [25, 100, 0]


def test_no_boxes_stay_no_boxes() -> None:
    assert boxes.xywh_to_xyxy(boxes.empty()).shape == (0, 4)
    assert boxes.clip(boxes.empty(), np.array([1.0, 1.0])).shape == (0, 4)
