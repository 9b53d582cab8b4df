"""Several small batches in one optimiser step, as if they were one large one."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from bench.adapters.loop.trainable import Batch, Trainable


def grouped(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """`size` at a time; the last group may have fewer."""
    rest = iter(batches)
    while group := list(islice(rest, size)):
        yield group


class Shares:
    """What each batch of a group counts for in the mean over all of them, by loss component.

    With these as factors the gradients add up to those of the large batch, where no layer has statistics of
    its batch.
    """

    def __init__(self, trainable: Trainable, group: Sequence[Batch]) -> None:
        self._pictures = [len(batch) for batch in group]
        self._counts = [trainable.counts(batch) for batch in group] if len(group) > 1 else [{}]

    def of(self, number: int, component: str) -> float:
        """1.0 for a batch that stands alone."""
        counts = [
            own.get(component, pictures) for own, pictures in zip(self._counts, self._pictures, strict=True)
        ]
        whole = sum(counts)
        return counts[number] / whole if whole else 1 / len(counts)
