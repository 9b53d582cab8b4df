"""COCO's figures of a split whose images carry whole-number weights, for bootstrap resamples and for judging.

An image of weight w counts as w copies of it: the figures are, to the last bit, those that pycocotools gives
for a dataset in which the image and its detections are there w times, the copies next to each other in the
order of ids. Weights of 1 give pycocotools' figures of the split itself; a weight of 0 leaves the image out.

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
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from bench.evaluation.curves import EARLY, RECALLS, Weights, curves_of, table_ties
from bench.evaluation.matches import AREAS, IOUS, MatchTable

_CELLS_AT_ONCE = 1 << 17
"""Steps x draws that are worked on together; so many fit in a processor's cache."""

_BYTES_AT_ONCE = 256 << 20
"""Of the precisions of all classes, for the draws that a thread works on together."""

_AT_25, _AT_50, _AT_75 = IOUS.index(0.25), IOUS.index(0.5), IOUS.index(0.75)
Index = NDArray[np.int64]
Floats = NDArray[np.float64]


class WeightedFigures:
    """The figures of one match table for any weights of its images.

    Args:
        rare_classes: those that AP_rare is the mean of.
        score_threshold: of precision, recall and F1; these are left out where it is None.
        sizes: whether AP and AR by object size are among the figures; without them it is twice as fast.

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
        self.names: tuple[str, ...] = tuple(self._named(_Means.none(len(table.classes), self._areas)))
        """Of the figures, as `batch` has its columns; `AP/NAME`, `AP50/NAME`, `AR/NAME` are a class's."""

    def figures(self, weights: NDArray[np.integer]) -> dict[str, float]:
        """Name -> value for weights (images,), in the order of the table's `image_ids`; NaN: undefined."""
        return dict(zip(self.names, self.batch(np.asarray(weights)[None])[0].tolist(), strict=True))

    def batch(self, weights: NDArray[np.integer], *, threads: int | None = None) -> Floats:
        """Figures of every row of weights (draws, images): (draws, len(names)); NaN: undefined.

        Args:
            threads: by default as many as there are processors.

        Raises ValueError for weights of another shape, or below 0.
        """
        drawn: Index = np.ascontiguousarray(weights, dtype=np.int64)
        if drawn.ndim != 2 or drawn.shape[1] != self._table.images:
            raise ValueError(f"weights should be (draws, {self._table.images}), not {drawn.shape}")
        if drawn.size and drawn.min() < 0:
            raise ValueError("weights should not be negative")
        if self._has_ties and drawn.size and drawn.max() > self._copies:
            self._copies = int(drawn.max())
            self._curves = curves_of(self._table, self._areas, copies=self._copies)
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

    def _draws_at_once(self) -> int:
        largest = max((len(curve.segment) for curve in self._curves), default=0)
        one = len(self._curves) * self._areas * len(IOUS) * len(RECALLS) * 8
        return max(1, min(_CELLS_AT_ONCE // max(largest, 1), _BYTES_AT_ONCE // max(one, 1), 256))

    def _chunk(self, weights: Index) -> Floats:
        """`batch` for few draws, in one thread."""
        draws, classes = len(weights), len(self._table.classes)
        support = (self._support @ weights.T).T.reshape(draws, classes, len(AREAS))[..., : self._areas]
        columns = Weights.of(weights, self._copies)
        precision = np.empty((classes, draws, self._areas, len(IOUS), len(RECALLS)))
        recall = np.empty((draws, self._areas, len(IOUS), classes))
        early = np.empty((len(EARLY), draws, len(IOUS), classes))
        for label, curve in enumerate(self._curves):
            found = curve.precision(columns, support[:, label], precision[label])
            with np.errstate(invalid="ignore", divide="ignore"):
                recall[..., label] = found / support[:, label, :, None]
                early[..., label] = curve.found_early(columns) / support[:, label, 0, None]
        rows = np.empty((draws, len(self.names)))
        for draw in range(draws):
            means = _Means(
                precision=precision[:, draw],
                recall=recall[draw],
                early=early[:, draw],
                defined=support[draw] > 0,
                point=None if self._point is None else weights[draw] @ self._point,
            )
            rows[draw] = list(self._named(means).values())
        return rows

    def _named(self, means: "_Means") -> dict[str, float]:
        """Every figure, as pycocotools' `summarize` takes the means."""
        coco = slice(_AT_50, None)
        figures = {"AP": means.ap(coco), "AP50": means.ap([_AT_50]), "AP75": means.ap([_AT_75])}
        for area in range(1, self._areas):
            figures[f"AP_{AREAS[area]}"] = means.ap(coco, area)
        figures |= {"AR_1": means.early_recall(0), "AR_10": means.early_recall(1), "AR_100": means.ar()}
        for area in range(1, self._areas):
            figures[f"AR_{AREAS[area]}"] = means.ar(area)
        figures["AP_25_50_75"] = means.ap([_AT_25, _AT_50, _AT_75])
        figures["AP_rare"] = means.ap(coco, classes=self._rare)
        if self._point is not None:
            figures |= means.operating_point()
        by_class = means.by_class()
        for label, name in enumerate(self._table.classes):
            for key, values in by_class.items():
                figures[f"{key}/{name}"] = float(values[label])
        return figures


@dataclass(frozen=True)
class _Means:
    """Curves of one draw; C classes, A areas, T thresholds, R recalls."""

    precision: Floats  # (C, A, T, R)
    recall: Floats  # (A, T, C)
    early: Floats  # (2, T, C) recall of the best 1 and 10 of an image
    defined: NDArray[np.bool_]  # (C, A) there are objects
    point: Index | None  # weighted true positives, false positives, objects

    @classmethod
    def none(cls, classes: int, areas: int) -> "_Means":
        """Nothing is there and nothing defined."""
        return cls(
            precision=np.zeros((classes, areas, len(IOUS), len(RECALLS))),
            recall=np.zeros((areas, len(IOUS), classes)),
            early=np.zeros((2, len(IOUS), classes)),
            defined=np.zeros((classes, areas), dtype=np.bool_),
            point=np.zeros(3, dtype=np.int64),
        )

    def ap(self, ious: slice | list[int], area: int = 0, classes: Sequence[int] | None = None) -> float:
        """The mean in the order (IoU, recall, class), in which pycocotools adds up."""
        chosen = np.flatnonzero(self.defined[:, area])
        if classes is not None:
            chosen = np.intersect1d(chosen, classes)
        if not len(chosen):
            return float("nan")
        values = self.precision[:, area]
        values = (values if len(chosen) == len(values) else values[chosen])[:, ious]
        return float(np.mean(np.ascontiguousarray(values.transpose(1, 2, 0)).reshape(-1)))

    def ar(self, area: int = 0) -> float:
        return self._mean_recall(self.recall[area], area)

    def early_recall(self, place: int) -> float:
        return self._mean_recall(self.early[place], 0)

    def _mean_recall(self, recall: Floats, area: int) -> float:
        values = recall[_AT_50:, self.defined[:, area]]
        return float(np.mean(values.reshape(-1))) if values.size else float("nan")

    def by_class(self) -> dict[str, Floats]:
        """AP, AP50 and AR of each class, (C,)."""
        classes = len(self.precision)
        values = self.precision[:, 0, _AT_50:]
        undefined = ~self.defined[:, 0]
        recall = np.ascontiguousarray(self.recall[0, _AT_50:].T)
        found = {
            "AP": values.reshape(classes, -1).mean(axis=1),
            "AP50": values[:, 0].mean(axis=1),
            "AR": recall.mean(axis=1),
        }
        return {name: np.where(undefined, np.nan, mean) for name, mean in found.items()}

    def operating_point(self) -> dict[str, float]:
        """precision, recall, F1; 0 / 0 is undefined."""
        assert self.point is not None
        true, false, objects = (int(value) for value in self.point)
        return {
            "precision": _share(true, true + false),
            "recall": _share(true, objects),
            "f1": _share(2 * true, true + false + objects),
        }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


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
