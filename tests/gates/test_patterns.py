"""The made pictures: what goes through the preparation comes out as it was meant."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from bench.gates import patterns


@pytest.mark.parametrize("classes", [1, 2, 3, 60])
def test_every_picture_has_boxes_apart_and_labels_of_first_and_last_class(create, classes):
    examples = create(classes).examples("val")
    labels = np.concatenate([example.labels for example in examples])
    assert (labels.min(), labels.max()) == (0, classes - 1)
    for example in examples:
        boxes = example.boxes_xyxy
        assert len(boxes) == patterns.BOXES
        assert (boxes[:, 2:] - boxes[:, :2] >= 15).all()
        assert (boxes >= 0).all() and (boxes <= np.array(example.size_wh * 2)).all()
        for one, other in pairwise(boxes):
            assert (one[2:] <= other[:2]).any() or (other[2:] <= one[:2]).any()


def test_odd_sizes_grey_and_rotated_pictures_are_among_them(create):
    examples = {example.path.stem: example for example in create(3).examples("val")}
    assert examples["odd0"].size_wh == (97, 61)
    assert {example.size_wh for example in examples.values()} >= {(50, 130), (130, 48)}
    with Image.open(examples["grey"].path) as grey:
        assert grey.mode == "L"
    rotated = examples["rotated"]
    assert rotated.size_wh == (83, 131)
    with Image.open(rotated.path) as image:
        assert image.size == (83, 131)
        assert not image.getexif().get(patterns.ORIENTATION_TAG)
        pixels = np.asarray(image, dtype=int)
    for box, label in zip(rotated.boxes_xyxy.round().astype(int), rotated.labels, strict=True):
        colour = np.random.default_rng(int(label)).integers(0, 256, 3)
        inside = pixels[box[1] + 3 : box[3] - 3, box[0] + 3 : box[2] - 3]
        assert np.abs(inside.mean(axis=(0, 1)) - colour).max() < 12  # JPEG


def test_the_colour_picture_has_its_quadrants(create):
    (example,) = create(3).examples("test")
    with Image.open(example.path) as image:
        assert [image.getpixel(place) for place in ((5, 5), (90, 5), (5, 55), (90, 55))] == list(
            patterns.QUADRANTS
        )


def test_the_batch_to_overfit_has_one_box_a_picture(create):
    assert [len(example.labels) for example in create(3).examples("train")] == [1, 1]
