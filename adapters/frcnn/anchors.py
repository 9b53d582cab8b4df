"""Anchors that fit the training boxes: k-means over widths and heights, by overlap.

Redmon & Farhadi 2017, YOLO9000, section 2: the distance is 1 - IoU of two boxes with the same corner, so that
large boxes do not outweigh small ones. Widths and heights are pixels of the network's input.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.layout import Example
from bench.recipe import InputSize

Shapes = NDArray[np.float64]  # (N, 2) width and height

MOST_BOXES = 20_000
"""More are sampled: a few thousand boxes per cluster are enough."""

_STARTS = 5
_ROUNDS = 100


def shapes_of(examples: Sequence[Example], size: InputSize) -> Shapes:
    """Width and height of all boxes, without crowds, in pixels of the network's input."""
    rows = [np.zeros((0, 2))]
    for example in examples:
        boxes = example.boxes_xyxy[~example.crowd]
        scale = np.array(size.fit(example.size_wh)) / np.array(example.size_wh)
        rows.append((boxes[:, 2:] - boxes[:, :2]) * scale)
    return np.concatenate(rows)


def fitted(shapes: Shapes, count: int, *, seed: int = 0) -> Shapes:
    """`count` shapes that overlap best with `shapes`, smallest area first; deterministic.

    There must be at least so many different shapes.
    """
    assert different(shapes) >= count, "the caller has counted them"
    random = np.random.default_rng(seed)
    if len(shapes) > MOST_BOXES:
        shapes = shapes[random.choice(len(shapes), MOST_BOXES, replace=False)]
    tries = [_clusters(shapes, _spread(shapes, count, random)) for _ in range(_STARTS)]
    best = max(tries, key=lambda centres: overlap(shapes, centres))
    rounded: Shapes = best[np.argsort(best.prod(axis=1), kind="stable")].round(2)
    return rounded


def different(shapes: Shapes) -> int:
    """The number of different shapes."""
    return len(np.unique(shapes, axis=0))


def overlap(shapes: Shapes, anchors: Shapes) -> float:
    """Mean over `shapes` of the IoU with the best of `anchors`."""
    return float(_ious(shapes, anchors).max(axis=1).mean())


def _ious(shapes: Shapes, anchors: Shapes) -> NDArray[np.float64]:
    """(N, 2) and (K, 2) -> (N, K), all with the same corner."""
    common = np.minimum(shapes[:, None], anchors[None]).prod(axis=2)
    both = shapes.prod(axis=1)[:, None] + anchors.prod(axis=1)[None]
    return np.asarray(common / (both - common), dtype=np.float64)


def _spread(shapes: Shapes, count: int, random: np.random.Generator) -> Shapes:
    """k-means++ (Arthur & Vassilvitskii 2007): each centre is drawn far from those before it."""
    centres: Shapes = shapes[random.integers(len(shapes))][None]
    while len(centres) < count:
        distance = (1 - _ious(shapes, centres).max(axis=1)).clip(min=0) ** 2
        share = distance / distance.sum() if distance.sum() else None
        centres = np.concatenate([centres, shapes[random.choice(len(shapes), p=share)][None]])
    return centres


def _clusters(shapes: Shapes, centres: Shapes) -> Shapes:
    """Lloyd's algorithm. Returns the best centres of all rounds: a mean need not overlap better."""
    best, best_overlap = centres, overlap(shapes, centres)
    clusters = np.full(len(shapes), -1)
    for _ in range(_ROUNDS):
        new_clusters = _ious(shapes, centres).argmax(axis=1)
        if (new_clusters == clusters).all():
            break
        clusters = new_clusters
        own = [shapes[clusters == index] for index in range(len(centres))]
        centres = np.stack(
            [mine.mean(axis=0) if len(mine) else old for mine, old in zip(own, centres, strict=True)]
        )
        if (now := overlap(shapes, centres)) > best_overlap:
            best, best_overlap = centres, now
    return best
