"""Means of loss components, on the device until they are read."""

from collections.abc import Mapping

import torch
from torch import Tensor

from bench.adapters.training.ranks import SINGLE_RANK, Ranks


class MeanLosses:
    """Per component, over images. Every batch has the same components in the same order."""

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
        """`sums`: (components,) float64, the sum over these images."""
        assert self._names in ((), names), "a network has the same losses in every batch"
        self._names = names
        self._sums = sums if self._sums is None else self._sums.add_(sums)
        self._weight += images

    def values(self, ranks: Ranks = SINGLE_RANK) -> dict[str, float]:
        """Over the images of all ranks."""
        own = (self._names, [] if self._sums is None else self._sums.tolist(), self._weight)
        known = [one for one in ranks.all_gather(own) if one[0]]
        if not known:
            return {}
        weight = sum(images for *_, images in known)
        sums = [sum(column) for column in zip(*(sums for _, sums, _ in known), strict=True)]
        return {name: total / weight for name, total in zip(known[0][0], sums, strict=True)}
