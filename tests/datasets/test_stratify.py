"""Sharing out by class."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.stratify import apportion, stratify


def share_out(present, targets, weights=None, floor=True, seed=0):
    present = np.asarray(present, dtype=np.bool_)
    weights = np.ones(len(present), dtype=np.int64) if weights is None else np.asarray(weights)
    order = np.random.default_rng(seed).permutation(len(present))
    return stratify(present, weights, targets, order, floor=floor)


@given(st.integers(3, 2000), st.floats(0.01, 0.45), st.floats(0.01, 0.45))
def test_whole_numbers_sum_up_and_leave_no_part_empty(total, val, test):
    shares = [1 - val - test, val, test]
    numbers = apportion(total, shares)
    assert sum(numbers) == total
    assert min(numbers) >= 1
    assert all(abs(n - s * total) <= 2 for n, s in zip(numbers, shares, strict=True))


def test_a_long_tail_reaches_every_part_by_its_share():
    dice = np.random.default_rng(1)
    frequency = 0.6 / np.arange(1, 31)
    present = dice.random((1000, 30)) < frequency
    part = share_out(present, [700, 150, 150])
    assert np.bincount(part).tolist() == [700, 150, 150]
    for label in range(30):
        held = np.bincount(part[present[:, label]], minlength=3)
        total = held.sum()
        assert np.abs(held / total - [0.7, 0.15, 0.15]).max() < 0.05 + 1 / total, label


def test_rare_classes_reach_as_many_parts_as_they_can():
    present = np.zeros((100, 4), dtype=np.bool_)
    present[:1, 0] = present[1:3, 1] = present[3:6, 2] = present[6:10, 3] = True
    part = share_out(present, [70, 15, 15])
    held = [np.bincount(part[present[:, label]], minlength=3).tolist() for label in range(4)]
    assert held == [[1, 0, 0], [1, 1, 0], [1, 1, 1], [2, 1, 1]]


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(30, 120), st.integers(1, 8))
def test_sizes_are_exact_and_single_classes_reach_every_part(seed, items, classes):
    """With one class a picture nothing stands in the way of the floor."""
    dice = np.random.default_rng(seed)
    label = dice.choice(classes + 1, items, p=dice.dirichlet(np.full(classes + 1, 0.5)))
    present = np.zeros((items, classes + 1), dtype=np.bool_)
    present[np.arange(items), label] = True
    targets = apportion(items, [0.6, 0.2, 0.2])
    part = share_out(present[:, :classes], targets, seed=seed)
    assert np.bincount(part, minlength=3).tolist() == targets
    if targets[1] >= classes and targets[2] >= classes:
        for one in range(classes):
            held = np.bincount(part[present[:, one]], minlength=3)
            assert (held > 0).sum() == min(3, held.sum())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_items_of_any_weight_are_all_shared_out(seed):
    dice = np.random.default_rng(seed)
    weights = dice.integers(1, 6, 60)
    present = dice.random((60, 5)) < [0.5, 0.3, 0.1, 0.05, 0.05]
    targets = apportion(int(weights.sum()), [0.7, 0.15, 0.15])
    part = share_out(present, targets, weights, seed=seed)
    assert set(part) == {0, 1, 2}
    filled = np.bincount(part, weights=weights, minlength=3)
    assert np.abs(filled - targets).max() <= 12


def test_classes_that_come_together_are_brought_to_every_part_by_swaps():
    """Three pictures hold the rare class, each with another rare one that pulls elsewhere."""
    present = np.zeros((40, 5), dtype=np.bool_)
    present[[0, 1, 2], 0] = True
    present[[0, 3], 1] = present[[1, 4], 2] = present[[2, 5], 3] = True
    present[10:, 4] = True
    for seed in range(30):
        part = share_out(present, [20, 10, 10], seed=seed)
        assert set(part[[0, 1, 2]]) == {0, 1, 2}, seed


def test_without_a_floor_the_share_alone_counts():
    present = np.zeros((100, 1), dtype=np.bool_)
    present[:3] = True
    part = share_out(present, [2, 98], floor=False)
    assert np.bincount(part).tolist() == [2, 98]
    assert not present[part == 0].any()
