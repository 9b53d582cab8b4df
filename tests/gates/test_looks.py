"""The gates that look at both ends of a detector, on the fake and on faults planted in it."""

from dataclasses import replace

import numpy as np
import pytest

from bench.adapters.fake import FAMILY
from bench.detector import Detections
from bench.evaluation import Judge
from bench.gates import boxes, classes, colours
from bench.gates.gate import GateFailed
from bench.recipe import Recipe

NAMES = ("class 0", "class 1", "class 2")


@pytest.fixture
def fake():
    plan = FAMILY.plan(variant=None, weights=None, options={}, recipe=Recipe(epochs=3))
    return FAMILY.build(plan, classes=NAMES, seed=0, device="cpu")


@pytest.fixture
def examples(create):
    return create(3).examples("val")


def echo_changed(monkeypatch, fake, change):
    original = fake.round_trip
    monkeypatch.setattr(fake, "round_trip", lambda examples: (change(found) for found in original(examples)))


def moved(found: Detections, by: float) -> Detections:
    return replace(found, boxes_xyxy=found.boxes_xyxy + np.array([by, 0, 0, 0]))


def test_half_a_pixel_is_allowed_and_no_more(fake, examples, monkeypatch):
    assert boxes.round_trip(fake, examples, 640) == "21 boxes come back within 0.00 pixels"
    with monkeypatch.context() as patch:
        echo_changed(patch, fake, lambda found: moved(found, 0.5))
        assert "within 0.50 pixels" in boxes.round_trip(fake, examples, 640)
    echo_changed(monkeypatch, fake, lambda found: moved(found, 0.6))
    with pytest.raises(GateFailed, match=r"grey.png \(97x61\): the box .* 0.6 pixels off"):
        boxes.round_trip(fake, examples, 640)
    assert boxes.round_trip(fake, examples, 64)  # less than half a pixel of what the network sees


def test_a_lost_box_and_a_lost_picture_are_told(fake, examples, monkeypatch):
    with monkeypatch.context() as patch:
        echo_changed(patch, fake, lambda f: Detections(f.boxes_xyxy[1:], f.scores[1:], f.labels[1:]))
        with pytest.raises(GateFailed, match="3 boxes went in, 2 came back"):
            boxes.round_trip(fake, examples, 640)
    monkeypatch.setattr(fake, "round_trip", lambda examples: iter(()))
    with pytest.raises(GateFailed, match="7 images gave 0 results"):
        boxes.round_trip(fake, examples, 640)


def judges(create, tmp_path):
    from bench.gates.before import Candidate, GateInputs

    plan = FAMILY.plan(variant=None, weights=None, options={}, recipe=Recipe())
    return GateInputs.create(Candidate(FAMILY, plan, NAMES, 0, "cpu"), tmp_path).judges


def test_classes_come_back_in_both_orders(fake, examples, create, tmp_path, monkeypatch):
    pair = judges(create, tmp_path)
    assert classes.permutation(3).tolist() == [1, 2, 0]
    assert "AP 1.000 both times" in classes.round_trip(fake, examples, NAMES, pair)
    with monkeypatch.context() as patch:
        echo_changed(patch, fake, lambda found: replace(found, labels=found.labels + 1))
        with pytest.raises(GateFailed, match="class 2, 'class 2', comes back as 3, no class at all"):
            classes.round_trip(fake, [e for e in examples if 2 in e.labels[:1]], NAMES, pair)
    monkeypatch.setattr(Judge, "score", lambda self, found: {"AP": 0.5, "AP50": 0.6})
    with pytest.raises(GateFailed, match=r"perfect network would get an AP50 of 0.600"):
        classes.round_trip(fake, examples, NAMES, pair)


def test_an_ap_that_depends_on_the_order_of_classes_is_told(fake, examples, create, tmp_path, monkeypatch):
    given = iter([{"AP": 1.0, "AP50": 1.0}, {"AP": 0.9, "AP50": 1.0}])
    monkeypatch.setattr(Judge, "score", lambda self, found: next(given))
    with pytest.raises(GateFailed, match=r"order of the classes changes the AP: 1.0000, 0.9000"):
        classes.round_trip(fake, examples, NAMES, judges(create, tmp_path))


@pytest.mark.parametrize(
    ("end", "change", "summary"),
    [
        ("inference_inputs", lambda p: p[..., ::-1], "in prediction red and blue are swapped"),
        ("training_inputs", lambda p: p[..., ::-1], "in training red and blue are swapped"),
        ("inference_inputs", lambda p: p * 255, "values run from"),
        ("training_inputs", lambda p: p * 0.8, "in training the colour"),
        ("inference_inputs", lambda p: p[::2], "is squeezed to 97x31"),
        ("training_inputs", lambda p: p.transpose(2, 0, 1), "not \\(H, W, 3\\)"),
    ],
)
def test_wrong_colours_are_told(fake, create, examples, monkeypatch, end, change, summary):
    (image,) = create(3).examples("test")
    assert colours.check_colours(fake, image, examples).startswith("RGB in 0..1")
    original = getattr(fake, end)
    monkeypatch.setattr(fake, end, lambda what: (change(one) for one in original(what)))
    with pytest.raises(GateFailed, match=summary):
        colours.check_colours(fake, image, examples)


def test_a_training_that_dims_other_pictures_is_told(fake, create, examples, monkeypatch):
    (image,) = create(3).examples("test")
    original = fake.training_inputs

    def training_inputs(given):
        for example, one in zip(given, original(given), strict=True):
            yield one if example.path == image.path else one * 0.7

    monkeypatch.setattr(fake, "training_inputs", training_inputs)
    with pytest.raises(GateFailed, match=r"has the mean colour .*; in training it is"):
        colours.check_colours(fake, image, examples)


def test_a_detector_that_shows_nothing_is_gated_less_and_that_is_flagged(fake, tmp_path):
    from bench.gates.before import Candidate, before_training

    class Closed:
        """The contract, and no more."""

        def __init__(self) -> None:
            self.describe, self.fit, self.predict, self.save = (
                fake.describe,
                fake.fit,
                fake.predict,
                fake.save,
            )

    class Family:
        def build(self, plan, **settings):
            return Closed()

    plan = FAMILY.plan(variant=None, weights=None, options={}, recipe=Recipe(epochs=3))
    results = before_training(Candidate(Family(), plan, NAMES, 0, "cpu"), tmp_path)
    assert [result.flagged for result in results] == [True, True, True, False]
    assert all(result.passed for result in results)
    assert list(tmp_path.iterdir()) == []
