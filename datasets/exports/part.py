"""One split's images and boxes, in the order in which they are written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import BoxTable, Dataset
from bench.layout import SplitName


@dataclass(frozen=True)
class Part:
    """The images `rows` of a dataset, under their new names."""

    dataset: Dataset
    rows: NDArray[np.intp]
    file_names: Sequence[str]
    split: SplitName

    @cached_property
    def _ends(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        order = np.argsort(self.dataset.boxes.image, kind="stable")
        ends = np.searchsorted(self.dataset.boxes.image[order], np.arange(len(self.dataset.images) + 1))
        return order, ends

    def images(self) -> Iterator[tuple[str, tuple[int, int], BoxTable]]:
        """Name, size (width, height) and boxes of each image."""
        order, ends = self._ends
        for row, name in zip(self.rows.tolist(), self.file_names, strict=True):
            width, height = self.dataset.images.sizes_wh[row].tolist()
            yield name, (width, height), self.dataset.boxes.take(order[ends[row] : ends[row + 1]])
