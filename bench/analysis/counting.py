"""How well a detector counts: detections at its score threshold against objects, by image and class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.evaluation import MatchTable


@dataclass(frozen=True)
class CountingError:
    """Crowds, and detections on them, are left out."""

    differences: NDArray[np.int64]  # (I, C) detections less objects

    @property
    def mean_absolute_error(self) -> float:
        """Over images, of all classes' counts together: classes may make up for each other."""
        return float(np.abs(self.differences.sum(axis=1)).mean())

    @property
    def bias(self) -> float:
        """Mean difference over images: above 0, the detector counts too many."""
        return float(self.differences.sum(axis=1).mean())

    @property
    def by_class(self) -> NDArray[np.float64]:
        """(C,) mean absolute error of each class over all images."""
        return np.asarray(np.abs(self.differences).mean(axis=0))


def counting_error(table: MatchTable, score_threshold: float) -> CountingError:
    """Of the detections of at least that score that are not ignored at IoU 0.5."""
    true, false = table.outcome()
    kept = (true | false) & (table.score >= score_threshold)
    differences = np.zeros((table.images, len(table.classes)), dtype=np.int64)
    there = ~table.object_crowd
    np.add.at(differences, (table.image[kept], table.label[kept]), 1)
    np.subtract.at(differences, (table.object_image[there], table.object_label[there]), 1)
    return CountingError(differences)
