import numpy as np

from bench.statistics import image_weights, units_of


def test_every_draw_takes_as_many_images_as_there_are():
    weights = image_weights(np.arange(37), draws=50)
    assert weights.shape == (50, 37)
    assert (weights.sum(axis=1) == 37).all() and (weights >= 0).all()
    assert len(np.unique(weights, axis=0)) == 50


def test_images_of_a_group_are_drawn_together():
    units = units_of(["a", "b", "a", "c", "b", "a"])
    assert units.tolist() == [0, 1, 0, 2, 1, 0]
    weights = image_weights(units, draws=40)
    assert (weights[:, [0, 0]] == weights[:, [2, 5]]).all() and (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_equal_seeds_draw_equal_splits():
    units = np.arange(20)
    assert (image_weights(units, 10, seed=3) == image_weights(units, 10, seed=3)).all()
    assert (image_weights(units, 10, seed=3) != image_weights(units, 10, seed=4)).any()


def test_counts_are_those_of_drawing_with_replacement():
    weights = image_weights(np.arange(50), draws=4000)
    assert abs((weights == 0).mean() - (1 - 1 / 50) ** 50) < 0.005
    assert abs(weights.var() - (1 - 1 / 50)) < 0.02


def test_without_images_there_is_nothing_to_draw():
    assert image_weights(units_of([]), draws=3).shape == (3, 0)
