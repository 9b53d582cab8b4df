"""Means of loss components, kept on the device until they are asked for."""

from collections.abc import Mapping

import torch
from torch import Tensor


class Means:
    """Of each component over pictures. The components are the same, in the same order, in every batch."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._sums: Tensor | None = None  # (components,) float64
        self._weight = 0

    def add(self, losses: Mapping[str, Tensor], pictures: int) -> None:
        self.add_stacked(tuple(losses), torch.stack(list(losses.values())), pictures)

    def add_stacked(self, names: tuple[str, ...], losses: Tensor, pictures: int) -> None:
        """`losses`: (components,), one by one those of `names`."""
        assert self._names in ((), names), "a network has the same losses in every batch"
        self._names = names
        sums = losses.detach().double() * pictures
        self._sums = sums if self._sums is None else self._sums.add_(sums)
        self._weight += pictures

    def values(self) -> dict[str, float]:
        if self._sums is None:
            return {}
        return {
            name: total / self._weight for name, total in zip(self._names, self._sums.tolist(), strict=True)
        }
