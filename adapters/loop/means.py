"""Means of loss components, kept on the device until they are asked for."""

from collections.abc import Mapping

import torch
from torch import Tensor

from bench.adapters.ranks import ALONE, Ranks


class Means:
    """Of each component over pictures. The components are the same, in the same order, in every batch."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._sums: Tensor | None = None  # (components,) float64
        self._weight = 0

    def add(self, losses: Mapping[str, Tensor], images: int) -> None:
        self.add_stacked(tuple(losses), torch.stack(list(losses.values())), images)

    def add_stacked(self, names: tuple[str, ...], losses: Tensor, images: int) -> None:
        """`losses`: (components,), one by one those of `names`."""
        self.add_sums(names, losses.detach().double() * images, images)

    def add_sums(self, names: tuple[str, ...], sums: Tensor, images: int) -> None:
        """`sums`: (components,) float64, what so many pictures add to the sum over all."""
        assert self._names in ((), names), "a network has the same losses in every batch"
        self._names = names
        self._sums = sums if self._sums is None else self._sums.add_(sums)
        self._weight += images

    def values(self, ranks: Ranks = ALONE) -> dict[str, float]:
        """Over the pictures of all ranks."""
        own = (self._names, [] if self._sums is None else self._sums.tolist(), self._weight)
        told = [one for one in ranks.all_gather(own) if one[0]]
        if not told:
            return {}
        weight = sum(images for *_, images in told)
        sums = [sum(column) for column in zip(*(sums for _, sums, _ in told), strict=True)]
        return {name: total / weight for name, total in zip(told[0][0], sums, strict=True)}
