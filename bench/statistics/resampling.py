"""Draws of images: test splits that could have been, as whole-number weights of the images that there are.

A draw takes as many images (or groups) as there are, with replacement (Efron 1979); an image that is drawn w
times counts as w images. All models are judged on the same draws, so that what they have in common cancels in
their differences.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS = 500
"""A standard error from so many draws is off by 1 / sqrt(2 DRAWS) = 3.2 % (Efron, Tibshirani 1993, 6.4)."""


def units_of(groups: Sequence[Hashable]) -> NDArray[np.intp]:
    """The number (from 0) of each image's group, (images,)."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.intp)


def image_weights(units: NDArray[np.intp], draws: int = DRAWS, seed: int = 0) -> NDArray[np.int64]:
    """How often each image stands in each draw, (draws, images).

    Args:
        units: the group of each image, numbered from 0 without gaps; images of a group are drawn together
            (a cluster bootstrap: Davison and Hinkley 1997, 3.8). `arange(images)` draws single images.
        seed: equal seeds draw equal splits.
    """
    amount = int(units.max()) + 1 if len(units) else 0
    if amount == 0:
        return np.zeros((draws, 0), dtype=np.int64)
    rng = np.random.default_rng(seed)
    return rng.multinomial(amount, np.full(amount, 1 / amount), size=draws)[:, units].astype(np.int64)
