"""Several small batches in one optimiser step, as if they were one large one."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch

from bench.adapters.loop.trainable import Batch, Trainable
from bench.adapters.ranks import ALONE, Ranks

_IMAGES = "images"


def grouped(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """`size` at a time; the last group may have fewer."""
    rest = iter(batches)
    while group := list(islice(rest, size)):
        yield group


class Shares:
    """What each batch of a group counts for in the mean over all of them, by loss component.

    With these as factors the gradients add up to those of the large batch, where no layer has statistics of
    its batch. The group of an optimiser step is that of all ranks together.
    """

    def __init__(self, trainable: Trainable, group: Sequence[Batch], ranks: Ranks = ALONE) -> None:
        self.alone = len(group) == 1 and ranks.size == 1
        """One batch is the whole group: it counts for all."""
        self.images = len(group[0])
        """Of the whole group."""
        if not self.alone:
            self._counts = [{**trainable.counts(batch), _IMAGES: float(len(batch))} for batch in group]
            own = torch.tensor([list(counts.values()) for counts in self._counts], dtype=torch.float64)
            self._whole = dict(zip(self._counts[0], ranks.all_reduce(own.sum(0)).tolist(), strict=True))
            self.images = round(self._whole[_IMAGES])

    def of(self, number: int, component: str) -> float:
        """1.0 for a batch that stands alone."""
        if self.alone:
            return 1.0
        unit = component if self._whole.get(component) else _IMAGES
        return float(self._counts[number][unit] / self._whole[unit])
