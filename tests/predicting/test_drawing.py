import numpy as np
import pytest
from PIL import Image

from bench.detector import Detections
from bench.predicting.drawing import LEAST_SIDE, draw


def found(*boxes: list[float], labels: list[int] | None = None) -> Detections:
    scores = np.linspace(0.9, 0.5, len(boxes))
    return Detections(np.array(boxes, dtype=np.float64), scores, np.array(labels or [0] * len(boxes)))


@pytest.mark.parametrize("ground", ["black", "white", "#0072b2", "#d55e00"])
def test_a_box_stands_out_from_any_ground(ground: str) -> None:
    """Also from one of its own class's colour: along its left edge there are two tones far apart."""
    image = Image.new("RGB", (600, 400), ground)
    drawn = np.asarray(draw(image, found([100, 100, 300, 300]), ["cat"]), dtype=int)
    edge = drawn[250, 95:108].sum(axis=1)
    assert edge.max() - edge.min() > 150
    assert (drawn[250, 200] == np.asarray(image)[250, 200]).all()
    assert (np.asarray(image) == np.asarray(Image.new("RGB", (600, 400), ground))).all()


def test_classes_have_colours_of_their_own() -> None:
    image = Image.new("RGB", (600, 400), "white")
    edges = set()
    for label in range(40):
        drawn = draw(image, found([100, 100, 300, 300], labels=[label]), [str(n) for n in range(40)])
        edges.add(drawn.getpixel((100, 250)))
    assert len(edges) == 40


@pytest.mark.parametrize(
    "box",
    [[0, 0, 600, 400], [590, 390, 600, 400], [0, 380, 30, 400], [300, 2, 301, 3], [10, 10, 10, 10]],
)
def test_names_stay_inside_the_picture(box: list[float]) -> None:
    image = Image.new("RGB", (600, 400), "white")
    drawn = np.asarray(draw(image, found(box), ["a rather long name of a class"]))
    plate = (drawn != 255).any(axis=2)
    assert drawn.shape == (400, 600, 3)
    assert plate[:, :].sum() > 3000  # the whole plate, not a slice of it


def test_a_small_picture_is_drawn_larger_and_a_large_one_is_not() -> None:
    small = draw(Image.new("RGB", (96, 40)), found([10, 10, 30, 30]), ["cat"])
    assert small.size == (96 * 5, 40 * 5) and max(small.size) >= LEAST_SIDE
    assert draw(Image.new("RGB", (480, 20)), found([1, 1, 5, 5]), ["cat"]).size == (480, 20)


def test_boxes_of_a_small_picture_are_enlarged_with_it() -> None:
    drawn = np.asarray(draw(Image.new("RGB", (100, 100), "white"), found([20, 40, 60, 80]), ["c"]))
    middle_row = (drawn[300] != 255).any(axis=1)  # of the box; its name is above
    assert drawn.shape[0] == 500
    assert np.flatnonzero(middle_row)[[0, -1]] == pytest.approx([100, 300], abs=3)


def test_nothing_found_is_a_plain_copy() -> None:
    image = Image.new("RGB", (600, 400), "red")
    assert (np.asarray(draw(image, Detections.none(), ["cat"])) == np.asarray(image)).all()
