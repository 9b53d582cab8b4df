import numpy as np

from bench.reports.matching import Found, right


def found(boxes, labels, crowd=None):
    boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    count = len(boxes)
    return Found(
        boxes, np.array(labels, dtype=np.int64), np.ones(count), np.array(crowd or [False] * count, np.bool_)
    )


def test_the_best_score_takes_the_object_and_the_second_is_wrong():
    truth = found([[0, 0, 10, 10]], [1])
    assert right(found([[0, 0, 10, 9], [0, 0, 10, 10]], [1, 1]), truth).tolist() == [True, False]


def test_another_class_and_a_loose_box_are_wrong():
    truth = found([[0, 0, 10, 10]], [1])
    assert right(found([[0, 0, 10, 10], [6, 0, 16, 10]], [2, 1]), truth).tolist() == [False, False]


def test_iou_of_exactly_a_half_is_right():
    assert right(found([[0, 0, 10, 5]], [1]), found([[0, 0, 10, 10]], [1])).tolist() == [True]


def test_a_crowd_forgives_any_number():
    truth = found([[0, 0, 100, 100]], [1], [True])
    assert right(found([[0, 0, 10, 10], [5, 5, 15, 15]], [1, 1]), truth).tolist() == [True, True]


def test_nothing_there_and_nothing_found():
    nothing = found([], [])
    assert right(found([[0, 0, 1, 1]], [0]), nothing).tolist() == [False]
    assert right(nothing, found([[0, 0, 1, 1]], [0])).tolist() == []


def test_boxes_without_area_divide_nothing_by_zero():
    flat = found([[5, 5, 5, 5]], [0])
    assert right(flat, flat).tolist() == [False]
