"""What a source says against what its pictures bear out."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets.dataset import BoxTable, Dataset, Images, Source
from bench.datasets.image_files import ImageFile
from bench.datasets.settle import settle
from bench.errors import DataError


def source_of(boxes, *, sizes=((100, 50),), image=None, normalized=False, known_good=False, crowd=None):
    names = [f"{row}.jpg" for row in range(len(sizes))]
    images = Images.of(names, [f"/data/{name}" for name in names], list(sizes), [-1] * len(names))
    table = BoxTable.of(image or [0] * len(boxes), [0] * len(boxes), boxes, crowd)
    return Source(dataset=Dataset(("cat",), images, table), normalized=normalized, known_good=known_good)


def good(*sizes, orientation=1):
    return [ImageFile(size_wh=size, orientation=orientation) for size in sizes]


def kinds(repairs):
    return Counter(repair.kind for repair in repairs)


def test_boxes_are_clipped_and_those_outside_or_flat_dropped():
    boxes = [
        [10, 10, 20, 20],
        [-5, 10, 20, 60],
        [95, 10, 120, 20],
        [101, 10, 120, 20],
        [10, 10, 10, 20],
        [20, 10, 10, 20],
        [30, 10, 40, 10.0005],
    ]
    dataset, repairs, _ = settle(source_of(boxes), good((100, 50)))
    assert dataset.boxes.xyxy.tolist() == [[10, 10, 20, 20], [0, 10, 20, 50], [95, 10, 100, 20]]
    assert dataset.boxes.record.tolist() == [1, 2, 3]
    assert kinds(repairs) == {"clipped": 2, "degenerate": 4}
    first = next(repair for repair in repairs if repair.kind == "clipped")
    assert (first.image, first.record) == ("0.jpg", "annotation 2")
    assert first.detail == "(-5, 10, 20, 60) -> (0, 10, 20, 50)"


def test_a_size_is_in_proportion_up_to_one_percent():
    source = source_of([[10, 5, 30, 25]] * 2, sizes=[(1000, 500)] * 2, image=[0, 1])
    _, repairs, kept = settle(source, good((1009, 500), (1020, 500)))
    assert [(one.kind, one.image) for one in repairs] == [("resized", "0.jpg"), ("size_disagrees", "1.jpg")]
    assert kept.tolist() == [0]


def test_a_cut_of_more_than_rounding_is_listed():
    _, repairs, _ = settle(source_of([[0, 0, 100.5, 50]]), good((100, 50)))
    assert kinds(repairs) == {"clipped": 1}


def test_rounding_is_clipped_silently():
    dataset, repairs, _ = settle(source_of([[-0.004, 0, 100.009, 50]]), good((100, 50)))
    assert dataset.boxes.xyxy.tolist() == [[0, 0, 100, 50]]
    assert not repairs


def test_repeated_boxes_are_dropped():
    boxes = [[1, 1, 9, 9], [1, 1, 9, 8], [1, 1, 9, 9], [1, 1, 9, 9]]
    dataset, repairs, _ = settle(source_of(boxes), good((100, 50)))
    assert dataset.boxes.record.tolist() == [1, 2]
    assert kinds(repairs) == {"repeated": 2}
    apart, repairs, _ = settle(
        source_of(boxes[:1] * 2, sizes=[(100, 50)] * 2, image=[0, 1]), good((100, 50), (100, 50))
    )
    assert (len(apart.boxes), repairs) == (2, [])


def test_shares_become_pixels_of_the_upright_picture():
    source = source_of([[0.1, 0.2, 0.5, 1.0]], sizes=[(0, 0)], normalized=True)
    dataset, repairs, _ = settle(source, good((50, 200), orientation=6))
    assert dataset.images.sizes_wh.tolist() == [[50, 200]]
    assert np.allclose(dataset.boxes.xyxy, [[5, 40, 25, 200]])
    assert kinds(repairs) == {"oriented": 1}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_of_the_upright_frame_stay(orientation):
    """Annotation tools show pictures upright; so a listed size that fits upright is taken for that."""
    dataset, repairs, _ = settle(source_of([[10, 5, 30, 25]]), good((100, 50), orientation=orientation))
    assert dataset.boxes.xyxy.tolist() == [[10, 5, 30, 25]]
    assert kinds(repairs) == ({"oriented": 1} if orientation > 1 else {})


def test_boxes_of_the_unturned_frame_are_turned():
    dataset, repairs, _ = settle(source_of([[10, 5, 30, 25]]), good((50, 100), orientation=6))
    assert dataset.images.sizes_wh.tolist() == [[50, 100]]
    assert dataset.boxes.xyxy.tolist() == [[25, 10, 45, 30]]
    assert kinds(repairs) == {"oriented": 1, "oriented_boxes": 1}


def test_sizes_that_disagree():
    boxes = [[10, 5, 30, 25]] * 4
    source = source_of(boxes, sizes=[(100, 50)] * 4, image=[0, 1, 2, 3])
    dataset, repairs, kept = settle(source, good((50, 25), (201, 100), (50, 100), (100, 50)))
    assert kinds(repairs) == {"resized": 2, "size_disagrees": 1}
    assert kept.tolist() == [0, 1, 3]
    assert dataset.images.names.tolist() == ["0.jpg", "1.jpg", "3.jpg"]
    assert dataset.boxes.image.tolist() == [0, 1, 2]
    assert np.allclose(dataset.boxes.xyxy[0], [5, 2.5, 15, 12.5])
    assert np.allclose(dataset.boxes.xyxy[1], [20.1, 10, 60.3, 50])
    odd = next(repair for repair in repairs if repair.kind == "size_disagrees")
    assert odd.detail == "listed 100x50, the file has 50x100; 1 boxes"


def test_a_missing_size_is_taken_from_the_file():
    dataset, repairs, _ = settle(source_of([[10, 5, 30, 25]], sizes=[(0, 0)]), good((64, 48)))
    assert dataset.images.sizes_wh.tolist() == [[64, 48]]
    assert kinds(repairs) == {"size_missing": 1}


def test_unusable_pictures_leave_with_their_boxes_and_nothing_else():
    source = source_of([[10, 5, 130, 25], [1, 1, 5, 5]], sizes=[(100, 50)] * 3, image=[0, 2])
    image_files = [ImageFile(problem="the file is empty"), *good((100, 50), (100, 50))]
    dataset, repairs, kept = settle(source, image_files)
    assert [(f.kind, f.image, f.detail) for f in repairs] == [
        ("unreadable", "0.jpg", "the file is empty; 1 boxes")
    ]
    assert kept.tolist() == [1, 2]
    assert dataset.boxes.image.tolist() == [1]


def test_nothing_left_is_an_error():
    with pytest.raises(DataError, match="no picture is left"):
        settle(source_of([[1, 1, 5, 5]]), [ImageFile(problem="the file is empty")])
    with pytest.raises(DataError, match="the dataset has no box"):
        settle(source_of([[1, 1, 1, 5]]), good((100, 50)))
    with pytest.raises(DataError, match="the dataset has no picture"):
        settle(source_of([], sizes=()), [])


coordinate = st.floats(-200, 300, allow_nan=False) | st.sampled_from([0.0, 50.0, 100.0])


@given(st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), min_size=1, max_size=30))
def test_every_box_comes_out_inside_or_is_told_of(boxes):
    source = source_of([[1, 1, 2, 2], *boxes], known_good=True)
    dataset, repairs, _ = settle(source, [])
    xyxy = dataset.boxes.xyxy
    assert (xyxy[:, :2] >= 0).all()
    assert (xyxy[:, 2:] <= [100, 50]).all()
    assert (xyxy[:, 2:] > xyxy[:, :2]).all()
    dropped = sum(repair.kind in ("degenerate", "repeated") for repair in repairs)
    assert len(xyxy) + dropped == len(boxes) + 1
