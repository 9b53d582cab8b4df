"""COCO's figures of a split whose images carry whole-number weights, for bootstrap resamples and for judging.

An image of weight w counts as w copies of it: the figures are, to the last bit, those that pycocotools gives
for a dataset in which the image and its detections are there w times, the copies next to each other in the
order of ids. Weights of 1 give pycocotools' figures of the split itself; a weight of 0 leaves the image out.
For many draws at once sums are taken in another order, and the last bits may differ.

    weighted = WeightedFigures(table, rare_classes=("rare",), score_threshold=0.4)
    weighted.figures(np.ones(table.images, int))["AP"]
    values = weighted.batch(weights)                  # (draws, len(weighted.names))

How: for each class, area range and IoU threshold only detections that match something are visited (a *step*).
At a step, precision is the weight of the true positives up to it over the weight of all counted detections up
to it. The first comes from a cumulative sum over the steps; the second from the weights of all detections
between two steps, which a sparse matrix adds up for many draws at once. The precision envelope at recall r is
the largest precision from the first step on at which r is reached. Within the copies of a true positive
precision only rises, so the run's end stands for the run. Detections of equal score in one image and class
are the exception: their copies alternate (a, b, a, b), so they are written out copy by copy.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from bench.evaluation.curves import EARLY, RECALLS, Weights
from bench.evaluation.matches import AREAS, IOUS, MatchTable
from bench.evaluation.means import AnyMeans, DrawMeans, Means, Value, named
from bench.evaluation.steps import curves_of, table_ties

_CELLS_AT_ONCE = 1 << 17
"""Steps x draws that are worked on together; so many fit in a processor's cache."""

Index = NDArray[np.int64]
Floats = NDArray[np.float64]


class WeightedFigures:
    """The figures of one match table for any weights of its images.

    Args:
        rare_classes: those that AP_rare is the mean of.
        score_threshold: of precision, recall and F1; these are left out where it is None.
        sizes: whether AP and AR by object size are among the figures; without them it is faster by a third.

    Thread-safe: the threads of `batch` share one object.
    """

    def __init__(
        self,
        table: MatchTable,
        *,
        rare_classes: Sequence[str] = (),
        score_threshold: float | None = None,
        sizes: bool = True,
    ) -> None:
        self._table = table
        self._areas = len(AREAS) if sizes else 1
        self._rare = [label for label, name in enumerate(table.classes) if name in rare_classes]
        self._point = None if score_threshold is None else _counts_by_image(table, score_threshold)
        self._support = _support_by_image(table)
        self._copies = 1
        self._curves = curves_of(table, self._areas)
        self._has_ties = bool(table_ties(table).any())
        self.names: tuple[str, ...] = tuple(self._named(Means.none(len(table.classes), self._areas)))
        """Of the figures, as `batch` has its columns; `AP/NAME`, `AP50/NAME`, `AR/NAME` are a class's."""

    def figures(self, weights: NDArray[np.integer]) -> dict[str, float]:
        """Name -> value for weights (images,), in the order of the table's `image_ids`; NaN: undefined.

        Exact to the last bit. Raises ValueError as `batch` does.
        """
        drawn = self._checked(np.asarray(weights)[None])
        columns, support = Weights.of(drawn, self._copies), self._supports(drawn)
        classes = len(self._table.classes)
        precision = np.empty((classes, self._areas, len(IOUS), len(RECALLS)))
        recall = np.empty((self._areas, len(IOUS), classes))
        early = np.empty((len(EARLY), len(IOUS), classes))
        with np.errstate(invalid="ignore", divide="ignore"):
            for label, curve in enumerate(self._curves):
                found = curve.precision(columns, support[:, label], precision[None, label])
                recall[..., label] = found[0] / support[0, label, :, None]
                early[..., label] = curve.found_early(columns)[:, 0] / support[0, label, 0]
        point = None if self._point is None else drawn[0] @ self._point
        return self._named(Means(precision, recall, early, support[0] > 0, point))

    def batch(self, weights: NDArray[np.integer], *, threads: int | None = None) -> Floats:
        """Figures of every row of weights (draws, images): (draws, len(names)); NaN: undefined.

        Equal to `figures` but for rounding, and several times as fast.

        Args:
            threads: by default as many as there are processors.

        Raises ValueError for weights of another shape, or below 0.
        """
        drawn = self._checked(weights)
        result = np.empty((len(drawn), len(self.names)))

        def work(start: int) -> None:
            part = slice(start, start + together)
            result[part] = self._chunk(drawn[part])

        workers = threads or len(os.sched_getaffinity(0))
        together = min(self._draws_at_once(), -(-len(drawn) // workers) or 1)
        starts = range(0, len(drawn), together)
        if workers == 1 or len(starts) == 1:
            for start in starts:
                work(start)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(work, starts))
        return result

    def _checked(self, weights: NDArray[np.integer]) -> Index:
        drawn: Index = np.ascontiguousarray(weights, dtype=np.int64)
        if drawn.ndim != 2 or drawn.shape[1] != self._table.images:
            raise ValueError(f"weights should be (draws, {self._table.images}), not {drawn.shape}")
        if drawn.size and drawn.min() < 0:
            raise ValueError("weights should not be negative")
        if self._has_ties and drawn.size and drawn.max() > self._copies:
            self._copies = int(drawn.max())
            self._curves = curves_of(self._table, self._areas, copies=self._copies)
        return drawn

    def _supports(self, weights: Index) -> Index:
        """Objects that count, (B, C, A)."""
        shape = (len(weights), len(self._table.classes), len(AREAS))
        return np.asarray((self._support @ weights.T).T.reshape(shape)[..., : self._areas])

    def _draws_at_once(self) -> int:
        largest = max((len(curve.segment) for curve in self._curves), default=0)
        return max(1, min(_CELLS_AT_ONCE // max(largest, 1), 256))

    def _chunk(self, weights: Index) -> Floats:
        """`batch` for few draws, in one thread."""
        draws, classes = len(weights), len(self._table.classes)
        columns, support = Weights.of(weights, self._copies), self._supports(weights).transpose(1, 0, 2)
        precision = np.empty((classes, draws, self._areas, len(IOUS)))
        recall = np.empty((classes, draws, self._areas, len(IOUS)))
        early = np.empty((len(EARLY), classes, draws, len(IOUS)))
        with np.errstate(invalid="ignore", divide="ignore"):
            for label, curve in enumerate(self._curves):
                found = curve.mean_precision(columns, support[label], precision[label])
                recall[label] = found / support[label, :, :, None]
                early[:, label] = curve.found_early(columns) / support[label, :, 0, None]
        point = None if self._point is None else weights @ self._point
        figures = self._named(DrawMeans(precision, recall, early, support > 0, point))
        return np.stack(list(figures.values()), axis=1)

    def _named(self, means: AnyMeans[Value]) -> dict[str, Value]:
        return named(means, self._table.classes, self._areas, self._rare, point=self._point is not None)


def _counts_by_image(table: MatchTable, score_threshold: float) -> Index:
    """True positives, false positives and objects at IoU .5 by image, (I, 3)."""
    true, false = table.outcome()
    kept = table.score >= score_threshold
    parts = (table.image[true & kept], table.image[false & kept], table.object_image[~table.object_crowd])
    return np.stack([np.bincount(part, minlength=table.images) for part in parts], axis=1)


def _support_by_image(table: MatchTable) -> scipy.sparse.csr_matrix:
    """Objects that count, by (class x area range, image), sparse."""
    thing, area = np.nonzero(~table.object_ignored())
    rows = table.object_label[thing] * len(AREAS) + area
    shape = (len(table.classes) * len(AREAS), table.images)
    ones = np.ones(len(thing), dtype=np.int64)
    return scipy.sparse.csr_matrix((ones, (rows, table.object_image[thing])), shape=shape)
