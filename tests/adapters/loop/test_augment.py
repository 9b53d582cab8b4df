"""The paper's draws: pieces lie inside of their pictures, and boxes inside of the pieces. No torch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.adapters.loop import augment
from bench.errors import RecipeError
from bench.recipe import InputSize, Recipe

SHARE = st.floats(0, 1, exclude_max=True)
SIDE = st.integers(1, 5000)


@given(size_wh=st.tuples(SIDE, SIDE), whole=st.sampled_from((400, 500, 600)), draws=st.tuples(*[SHARE] * 4))
def test_a_piece_is_a_part_of_its_picture_and_of_the_papers_size(
    size_wh: tuple[int, int], whole: int, draws: tuple[float, float, float, float]
) -> None:
    x1, y1, x2, y2 = augment.Crop(whole, augment.CROP_SIDES, draws).window(size_wh)
    assert 0 <= x1 < x2 <= size_wh[0]
    assert 0 <= y1 < y2 <= size_wh[1]
    zoom = whole / min(size_wh)  # at the size at which the paper cuts
    for side in ((x2 - x1) * zoom, (y2 - y1) * zoom):
        assert 384 - 1e-6 <= side <= 600 + 1e-6


@given(
    box=st.tuples(*[st.floats(0, 1)] * 4),
    draws=st.tuples(*[SHARE] * 4),
    point=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_point_is_in_the_moved_box_where_it_was_in_the_box(
    box: tuple[float, ...], draws: tuple[float, float, float, float], point: tuple[float, float]
) -> None:
    """For every point of the piece."""
    size_wh = (640, 480)
    window = augment.Crop(500, augment.CROP_SIDES, draws).window(size_wh)
    (x1, x2), (y1, y2) = sorted(box[:2]), sorted(box[2:])
    whole = np.array([[x1 * 640, y1 * 480, x2 * 640, y2 * 480]])
    moved, (width, height) = augment.inside(whole, window)
    x, y = window[0] + point[0] * width, window[1] + point[1] * height
    before = bool((whole[0, :2] < [x, y]).all() and ([x, y] < whole[0, 2:]).all())
    there = [point[0] * width, point[1] * height]
    slack = 1e-6 if before else -1e-6
    after = bool((moved[0, :2] - slack <= there).all() and (there <= moved[0, 2:] + slack).all())
    assert after == before or not before
    assert (moved >= 0).all()
    assert (moved <= [width, height, width, height]).all()


def test_pieces_and_sizes_go_with_the_input() -> None:
    at_800 = augment.draw(np.random.default_rng(3), 40, InputSize(800, 1333))
    at_400 = augment.draw(np.random.default_rng(3), 40, InputSize(400, 666))
    assert {size.short for size in at_800[0]} <= set(augment.FINAL_SHORT_SIDES)
    assert [size.short / 2 for size in at_800[0]] == [size.short for size in at_400[0]]
    for large, small in zip(at_800[1], at_400[1], strict=True):
        assert (large is None) == (small is None)
        if large and small:
            assert large.short_side in augment.CROPPED_SHORT_SIDES
            assert large.sides == augment.CROP_SIDES
            np.testing.assert_allclose(large.window((640, 480)), small.window((640, 480)))


def test_no_size_is_under_what_a_backbone_can_take() -> None:
    sizes, _ = augment.draw(np.random.default_rng(0), 50, InputSize(40, 40))
    assert {size.short for size in sizes} == {32, 34, 35, 37, 38, 40} or min(s.short for s in sizes) == 32


def test_sizes_are_drawn_once() -> None:
    with pytest.raises(RecipeError, match="multi_scale"):
        augment.check("paper", Recipe(multi_scale=0.2))
    augment.check("paper", Recipe())
    augment.check("none", Recipe(multi_scale=0.2))


def test_the_ledger_says_what_is_drawn() -> None:
    assert augment.ledger("none", Recipe(image_size=640)) == ()
    (entry,) = augment.ledger("paper", Recipe(image_size="400x666", flip=0.3))
    assert (entry.setting, entry.asked) == ("augmentation", "flip 0.3")
    assert "short sides of 240 to 400 within 666" in entry.used
