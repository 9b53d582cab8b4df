"""Gradient accumulation: several small batches in one optimiser step, as one large one."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch

from bench.adapters.loop.trainable import Batch, Trainable
from bench.adapters.training.ranks import SINGLE_RANK, Ranks

_IMAGES = "images"


def grouped(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """`size` at a time; the last group may have fewer."""
    rest = iter(batches)
    while group := list(islice(rest, size)):
        yield group


class BatchWeights:
    """The weight of each batch of a group in the mean over all of them, by loss component.

    With these factors the gradients add up to those of one large batch, unless a layer has batch statistics.
    The group of an optimiser step has the batches of all ranks.
    """

    def __init__(self, trainable: Trainable, group: Sequence[Batch], ranks: Ranks = SINGLE_RANK) -> None:
        self.single = len(group) == 1 and ranks.size == 1
        """One batch is the whole group."""
        self.images = len(group[0])
        """Of the whole group."""
        if not self.single:
            self._counts = [{**trainable.counts(batch), _IMAGES: float(len(batch))} for batch in group]
            own = torch.tensor([list(counts.values()) for counts in self._counts], dtype=torch.float64)
            self._whole = dict(zip(self._counts[0], ranks.all_reduce(own.sum(0)).tolist(), strict=True))
            self.images = round(self._whole[_IMAGES])

    def weight(self, number: int, component: str) -> float:
        """Of batch `number`; 1.0 for a single one."""
        if self.single:
            return 1.0
        unit = component if self._whole.get(component) else _IMAGES
        return float(self._counts[number][unit] / self._whole[unit])
