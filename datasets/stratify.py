"""Stratified assignment of items to parts, rare classes first.

After Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (ECML PKDD 2011), with a
floor added: a class that occurs in enough items reaches every part.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def stratify(
    present: NDArray[np.bool_],
    weights: NDArray[np.int64],
    targets: Sequence[int],
    order: NDArray[np.intp],
    *,
    floor: bool = True,
) -> NDArray[np.int8]:
    """The part of each item, (N,).

    Args:
        present: (N, C), whether an item contains a class.
        weights: (N,) images in an item: 1, or the size of a group.
        targets: images wanted in each part; they sum to the sum of `weights`. A full part takes no more while
            another has room, so with weights of 1 the targets are met exactly.
        order: (N,) the items in the order in which ties are broken; the only use of the seed.
        floor: a class with at least as many items as there are parts reaches each part, and one with fewer
            the first parts, as far as the items' other classes allow.
    """
    parts = len(targets)
    capacity = np.array(targets, dtype=np.int64)
    shares = capacity / max(1, capacity.sum())
    wanted = _wanted(present.sum(axis=0), shares, floor)  # (parts, C) items that a part still lacks
    part_of = np.full(len(present), -1, dtype=np.int8)
    ranked = present[order]
    left = present.sum(axis=0).astype(np.int64)
    while (left > 0).any():
        rarest = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        for item in order[ranked[:, rarest]]:
            if part_of[item] >= 0:
                continue
            part = _neediest(wanted[:, rarest], capacity)
            classes = np.flatnonzero(present[item])
            part_of[item] = part
            capacity[part] -= weights[item]
            wanted[part, classes] -= 1
            left[classes] -= 1
    for item in order[part_of[order] < 0]:
        part = int(np.argmax(capacity))
        part_of[item] = part
        capacity[part] -= weights[item]
    if floor:
        _fill_gaps(present, weights, part_of, parts, order)
    return part_of


def nested_order(
    present: NDArray[np.bool_], weights: NDArray[np.int64], order: NDArray[np.intp], least: int | None = None
) -> NDArray[np.intp]:
    """The items in an order of which every beginning is stratified: the halves of halves of them.

    Arguments as for `stratify`. A class in a single item is in the first half of each half. `least` items or
    fewer are not halved; default: a 128th of all.
    """
    least = max(2, len(order) // 128) if least is None else least
    if len(order) <= least:
        return order
    images = int(weights[order].sum())
    half = stratify(
        present[order], weights[order], (images - images // 2, images // 2), np.arange(len(order))
    )
    if (half == half[0]).all():  # one group holds more than half of the images
        return order
    return np.concatenate([nested_order(present, weights, order[half == part], least) for part in (0, 1)])


def apportion(total: int, shares: Sequence[float]) -> list[int]:
    """Apportion `total` by `shares` (largest remainder method); if it suffices, each part gets at least 1."""
    exact = np.array(shares, dtype=np.float64) / sum(shares) * total
    numbers = np.floor(exact).astype(int)
    for index in np.argsort(-(exact - numbers), kind="stable")[: total - int(numbers.sum())]:
        numbers[index] += 1
    if total >= len(numbers):
        for index in np.flatnonzero(numbers == 0):
            numbers[np.argmax(numbers)] -= 1
            numbers[index] += 1
    return [int(number) for number in numbers]


def _wanted(items: NDArray[np.int64], shares: NDArray[np.float64], floor: bool) -> NDArray[np.float64]:
    """Wanted number of items of each class in each part; (parts, C)."""
    wanted = np.outer(shares, items)
    if floor:
        parts = len(shares)
        for label in np.flatnonzero(items < parts):
            wanted[:, label] = np.arange(parts) < items[label]
        for label in np.flatnonzero(items >= parts):
            short = wanted[:, label] < 1
            wanted[:, label] -= np.where(short, 0, (1 - wanted[short, label]).sum() / max(1, (~short).sum()))
            wanted[short, label] = 1
    return np.asarray(wanted)


def _neediest(wanted: NDArray[np.float64], capacity: NDArray[np.int64]) -> int:
    """The part with capacity that lacks most of the class; ties: most capacity, then the first."""
    open_parts = [part for part in range(len(capacity)) if capacity[part] > 0]
    if not open_parts:
        return int(np.argmax(capacity))
    return max(open_parts, key=lambda part: (wanted[part], capacity[part]))


def _fill_gaps(
    present: NDArray[np.bool_],
    weights: NDArray[np.int64],
    part_of: NDArray[np.int8],
    parts: int,
    order: NDArray[np.intp],
) -> None:
    """Swap items so that missed classes reach a part, where no other class loses its last item there.

    A class misses a part if its items were assigned on account of rarer classes in the same images.
    """
    held = np.stack([present[part_of == part].sum(axis=0) for part in range(parts)])  # (parts, C)
    for part, label in zip(*np.nonzero((held == 0) & (present.sum(axis=0) >= parts)), strict=True):
        for giver in order[present[order, label] & (part_of[order] != part)]:
            source = part_of[giver]
            if held[source, label] < 2:
                continue
            swap = _partner(present, weights, part_of, held, order, giver, part)
            if swap is None:
                continue
            for item, to in ((giver, part), (swap, source)):
                held[part_of[item]] -= present[item]
                part_of[item] = to
                held[to] += present[item]
            break


def _partner(
    present: NDArray[np.bool_],
    weights: NDArray[np.int64],
    part_of: NDArray[np.int8],
    held: NDArray[np.int64],
    order: NDArray[np.intp],
    giver: int,
    part: int,
) -> int | None:
    """An item of `part` with `giver`'s weight that can be swapped with it, or None."""
    after_source = held[part_of[giver]] - present[giver]
    lost = (held[part_of[giver]] > 0) & (after_source == 0)
    for item in order[(part_of[order] == part) & (weights[order] == weights[giver])]:
        after_part = held[part] - present[item]
        emptied = (held[part] > 0) & (after_part + present[giver] == 0)
        if not emptied.any() and not (lost & ~present[item]).any():
            return int(item)
    return None
