"""Precision-recall curves of one class from a match table, for many draws of image weights at once.

Axes: B draws, A area ranges, T IoU thresholds (IOUS), R recall thresholds (RECALLS), S = A x T segments, one
for each area range and threshold. See bench.evaluation.weighted for the idea.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from bench.evaluation.matches import IOUS, NO_OBJECT, MatchTable, is_outside

RECALLS = np.linspace(0.0, 1.0, 101)
"""pycocotools' recall thresholds, computed as it computes them."""

EARLY = (1, 10)
"""COCO's smaller limits of detections: AR_1 and AR_10."""

_EPSILON = np.spacing(1)
"""In pycocotools' denominator of precision."""

_ROUNDED_UP = np.arange(101) / 100 < RECALLS
"""Recalls that exactly so many hundredths of the objects do not reach, in floating point."""

_NEAR = 1e-7
"""Shares of up to a million objects, in hundredths, are equal or differ by more than this."""

Index = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """Draws of weights; K columns: the images, and where copies are written out, each copy of each."""

    columns: Floats  # (K, B)

    @classmethod
    def of(cls, weights: Index, copies: int) -> "Weights":
        """From (B, I); see `curves_of` for `copies`."""
        written = [weights > copy for copy in range(copies)] if copies > 1 else []
        rows = np.concatenate([weights, *written], axis=1, dtype=np.float64)
        return cls(np.ascontiguousarray(rows.T))


@dataclass(frozen=True)
class Curves:
    """One class. E steps, sorted by segment and score.

    A step is a true positive of a segment, or a run of them with no false positive in between: a run is like
    the copies of one, since precision only rises within it.
    """

    true: scipy.sparse.csr_matrix  # (E, columns) the step's true positives
    segment: Index  # (E,)
    edges: Index  # (S + 1,) places of the segments in the steps
    place: Index  # (E,) row of `counted`
    counted: scipy.sparse.csr_matrix  # (P, columns) detections of the size, between places with a step
    area_edges: Index  # (A + 1,) places of the area ranges in the rows of `counted`
    corrected: int  # the first step with a correction, or E
    correction: scipy.sparse.csr_matrix  # (E - corrected, columns) what a match changes of `counted`
    early: scipy.sparse.csr_matrix  # (2 x T, columns) true positives among the best 1 and 10 of an image

    def precision(self, weights: Weights, support: Index, out: Floats) -> Index:
        """Interpolated precision into `out` (B, A, T, R); returns the true positives (B, A, T).

        `support` (B, A): the objects that count.
        """
        shape = out.shape[:3]
        if not len(self.segment):
            out[:] = 0.0
            return np.zeros(shape, dtype=np.int64)
        weight = _product(self.true, weights)
        true, start = self._within_segments(weight)
        envelope = self._envelope(true, weights)
        total = np.diff(start)
        # Unit u of all true positives, copies counted, belongs to step `step_of[u]` of the raveled steps.
        step_of = np.repeat(np.arange(weight.size), weight.reshape(-1))
        if not len(step_of):
            out[:] = 0.0
            return np.zeros(shape, dtype=np.int64)
        units = start[:, -1]
        first = (start[:, :-1] + (np.cumsum(units) - units)[:, None]).reshape(*shape, 1)
        needed = _needed(support)[:, :, None, :]
        reached = needed <= total.reshape(*shape, 1)
        steps = step_of[np.where(reached, first + needed - 1, 0)]
        np.multiply(np.take(envelope.reshape(-1), steps), reached, out=out)
        return total.reshape(shape)

    def mean_precision(self, weights: Weights, support: Index, out: Floats) -> Index:
        """The mean over recalls of `precision` into `out` (B, A, T); returns the true positives (B, A, T).

        Each step answers for the recalls that are first reached at it: summing over the steps is faster than
        reading the envelope at every recall, and rounds differently.
        """
        out[:] = 0.0
        if not len(self.segment):
            return np.zeros(out.shape, dtype=np.int64)
        true, start = self._within_segments(_product(self.true, weights))
        answered = self._recalls_reached(true, support)
        answered[:, 1:] -= answered[:, :-1].copy()
        filled = np.flatnonzero(np.diff(self.edges))
        begins = self.edges[filled]
        answered[:, begins] = self._recalls_reached(true[:, begins], support, self.segment[begins])
        answered *= self._envelope(true, weights)
        flat = out.reshape(len(out), -1)
        flat[:, filled] = np.add.reduceat(answered, begins, axis=1) / len(RECALLS)
        return np.diff(start).reshape(out.shape)

    def _envelope(self, true: Index, weights: Weights) -> Floats:
        """At each step the largest precision from there on in its segment, (B, E)."""
        precision: Floats = true / (self._counted(weights) + _EPSILON)
        bits = precision.view(np.int64)  # ordered as the floats are, from 0 on, and faster to compare
        for begin, end in zip(self.edges[:-1], self.edges[1:], strict=True):
            if begin < end:
                backwards = bits[:, begin:end][:, ::-1]
                np.maximum.accumulate(backwards, axis=1, out=backwards)
        return precision

    def _recalls_reached(self, true: Index, support: Index, segment: Index | None = None) -> Floats:
        """How many of RECALLS so many true positives reach, (B, E), at steps of these segments (all)."""
        area = (self.segment if segment is None else segment) // len(IOUS)
        share = true * np.take(len(RECALLS[1:]) / np.maximum(support, 1), area, axis=1)
        reached = np.floor(share + _NEAR)
        # Where found / objects is a recall to the last digit, rounding decides, as pycocotools compares them.
        row, step = np.nonzero(share - reached < _NEAR)
        reached[row, step] -= _ROUNDED_UP[reached[row, step].astype(np.int64)]
        return np.asarray((reached + 1) * (true > 0))

    def found_early(self, weights: Weights) -> Floats:
        """True positives among the best 1 and the best 10 of each image, all sizes, (2, B, T)."""
        found = self.early @ weights.columns
        return np.asarray(found.reshape(len(EARLY), len(IOUS), -1).transpose(0, 2, 1))

    def _within_segments(self, values: Index) -> tuple[Index, Index]:
        """Cumulative sums of (B, E) within each segment, and of all before each edge, (B, S + 1).

        `values` may lack the first steps.
        """
        lacking = len(self.segment) - values.shape[1]
        running = np.zeros((len(values), values.shape[1] + 1), dtype=np.int64)
        np.cumsum(values, axis=1, out=running[:, 1:])
        start = running[:, np.maximum(self.edges - lacking, 0)]
        return running[:, 1:] - np.take(start, self.segment[lacking:], axis=1), start

    def _counted(self, weights: Weights) -> Index:
        """True and false positives up to each step, (B, E)."""
        between = _product(self.counted, weights)
        upto = np.empty_like(between)
        for begin, end in zip(self.area_edges[:-1], self.area_edges[1:], strict=True):
            np.cumsum(between[:, begin:end], axis=1, out=upto[:, begin:end])
        counted = np.take(upto, self.place, axis=1)
        if self.corrected < len(self.segment):
            changes = self._within_segments(_product(self.correction, weights))[0]
            counted[:, self.corrected :] += changes
        return counted


def _product(matrix: scipy.sparse.csr_matrix, weights: Weights) -> Index:
    """The sums of every row, for every draw: (B, rows)."""
    return np.asarray((matrix @ weights.columns).T.astype(np.int64, order="C"))


def _needed(support: Index) -> Index:
    """The least number of true positives with which each recall is reached, at least 1: (B, A, R).

    That is the least k with k / support >= recall, in floating point as pycocotools compares them.
    """
    objects = np.maximum(support, 1)[..., None].astype(np.float64)
    needed = np.ceil(RECALLS * objects)
    needed -= (needed - 1) / objects >= RECALLS
    needed += needed / objects < RECALLS
    return np.asarray(np.maximum(needed, 1).astype(np.int64))


def curves_of(table: MatchTable, areas: int, *, copies: int = 1) -> list[Curves]:
    """The curves of every class, over the first `areas` of AREA_RANGES.

    Args:
        copies: where detections of one image and class tie in score, so many copies of them are written out,
            each with a column of its own: copy n of image i has column i + images * (n + 1).
    """
    steps = _Steps.of(table, areas, copies)
    columns = table.images * (copies + 1 if copies > 1 else 1)
    classes = np.arange(len(table.classes) + 1)
    step_edges = np.searchsorted(steps.label, classes)
    detection_edges = np.searchsorted(table.label[steps.detection], classes)
    return [
        _curves_of_class(steps.where(slice(*step_edges[one])), slice(*detection_edges[one]), columns, areas)
        for one in (slice(label, label + 2) for label in range(len(table.classes)))
    ]


@dataclass(frozen=True)
class _Steps:
    """E matches that change a count, sorted by class, area range, threshold and place, of V detections."""

    detection: Index  # (V,) every judged detection of the table, copies of tied ones written out
    column: Index  # (V,)
    outside: NDArray[np.bool_]  # (V, A) its own size is outside the range
    inside: Index  # (V, A) how many up to here are not
    rank: Index  # (V,)
    label: Index  # (E,)
    area: Index  # (E,)
    threshold: Index  # (E,)
    place: Index  # (E,) in `detection`
    true: NDArray[np.bool_]  # (E,)

    @classmethod
    def of(cls, table: MatchTable, areas: int, copies: int) -> "_Steps":
        detection, column = _written_out(table, copies)
        outside = is_outside(table.area, areas)[detection]
        hit_of = np.full(len(table), NO_OBJECT, dtype=np.int64)
        hit_of[table.hit] = np.arange(len(table.hit))
        hit = hit_of[detection]
        place = np.flatnonzero(hit != NO_OBJECT)
        thing = table.hit_object[hit[place], :areas].transpose(1, 2, 0)
        area, threshold, step = np.nonzero(thing != NO_OBJECT)
        true = ~table.object_ignored()[thing[area, threshold, step], area]
        place = place[step]
        # What counts neither with its match nor without changes nothing. IoU .25 is for all sizes only.
        matters = (true | ~outside[place, area]) & ((area == 0) | (threshold > 0))
        order = np.flatnonzero(matters)
        order = order[np.argsort(table.label[detection[place[order]]], kind="stable")]
        return cls(
            detection=detection,
            column=column,
            outside=outside,
            inside=np.cumsum(~outside, axis=0),
            rank=table.rank[detection].astype(np.int64),
            label=table.label[detection[place[order]]].astype(np.int64),
            area=area[order],
            threshold=threshold[order],
            place=place[order],
            true=true[order],
        )

    @property
    def segment(self) -> Index:
        return self.area * len(IOUS) + self.threshold

    def where(self, kept: slice | NDArray[np.bool_]) -> "_Steps":
        """Some of them."""
        return replace(
            self,
            label=self.label[kept],
            area=self.area[kept],
            threshold=self.threshold[kept],
            place=self.place[kept],
            true=self.true[kept],
        )


def _written_out(table: MatchTable, copies: int) -> tuple[Index, Index]:
    """Every judged detection with its column of the weights; tied ones copy by copy: a b a b, not a a b b."""
    detection = np.flatnonzero(table.judged)
    tied = table_ties(table)[detection]
    times = np.where(tied, copies, 1)
    written = np.repeat(detection, times)
    if copies == 1 or not tied.any():
        return written, table.image[written].astype(np.int64)
    copy = np.arange(len(written)) - np.repeat(np.cumsum(times) - times, times)
    order = np.lexsort((written, copy, _block(table)[written]))
    column = table.image[written] + np.where(np.repeat(tied, times), copy + 1, 0) * table.images
    return written[order], column[order]


def table_ties(table: MatchTable) -> NDArray[np.bool_]:
    """(N,) detections with the score of another of their class and image, where one of these matches."""
    block = _block(table)
    sizes = np.bincount(block)
    matching = np.zeros(len(sizes), dtype=np.bool_)
    matching[block[table.hit]] = True
    return np.asarray((sizes > 1)[block] & matching[block])


def _block(table: MatchTable) -> Index:
    """(N,) number of the run of equal class, score and image that each detection belongs to."""
    columns = (table.label, table.score, table.image)
    other = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return np.append(0, np.cumsum(other))[: len(table)].astype(np.int64)


def _curves_of_class(found: _Steps, mine: slice, columns: int, areas: int) -> Curves:
    """`mine`: the class's part of `found.detection`."""
    change = found.true.astype(np.int64) - ~found.outside[found.place, found.area]
    true = found.where(found.true)
    is_end = _ends_of_runs(found, change)
    steps = true.where(is_end)
    place = np.empty(len(steps.place), dtype=np.int64)
    rows: list[Index] = []
    held: list[Index] = []
    area_edges = [0]
    for area in range(areas):
        here = slice(*np.searchsorted(steps.area, [area, area + 1]))
        at, place_here = np.unique(steps.place[here], return_inverse=True)
        detections = mine.start + np.flatnonzero(~steps.outside[mine, area])
        row = np.searchsorted(at, detections)  # the first place at or after each
        rows.append(area_edges[-1] + row[row < len(at)])
        held.append(steps.column[detections[row < len(at)]])
        place[here] = area_edges[-1] + place_here
        area_edges.append(area_edges[-1] + len(at))
    corrected, correction = _correction(found.where(change != 0), change[change != 0], steps, columns)
    step_of_true: Index = np.cumsum(is_end) - is_end
    return Curves(
        true=_sums(step_of_true, true.column[true.place], (len(steps.place), columns)),
        segment=steps.segment,
        edges=np.searchsorted(steps.segment, np.arange(areas * len(IOUS) + 1)),
        place=place,
        counted=_sums(np.concatenate(rows), np.concatenate(held), (area_edges[-1], columns)),
        area_edges=np.array(area_edges),
        corrected=corrected,
        correction=correction,
        early=_early(true, columns),
    )


def _ends_of_runs(found: _Steps, change: Index) -> NDArray[np.bool_]:
    """Which true positives are the last of a run: another counted detection, or nothing, comes after them."""
    if not found.true.any():
        return np.zeros(0, dtype=np.bool_)
    inside = found.inside[found.place, found.area]
    counted = (inside + np.cumsum(change))[found.true]  # up to each, but for a constant of its segment
    segment = found.segment[found.true]
    goes_on = (np.diff(segment) == 0) & (np.diff(counted) == 1)
    return np.append(~goes_on, True)


def _correction(
    changing: _Steps, change: Index, steps: _Steps, columns: int
) -> tuple[int, scipy.sparse.csr_matrix]:
    """What matches change of the counts by detections' own sizes, at the next step of their segment.

    A true positive counts though its own size is outside the range: +1. A detection within the range does not
    count where its match is a crowd, or an object outside: -1.
    """
    size = len(steps.detection)
    row = np.searchsorted(steps.segment * size + steps.place, changing.segment * size + changing.place)
    # After the last step of its segment nothing is counted any more.
    kept = row < np.searchsorted(steps.segment, changing.segment, side="right")
    row, column = row[kept], changing.column[changing.place[kept]]
    first = int(row.min(initial=len(steps.place)))
    return first, _sums(row - first, column, (len(steps.place) - first, columns), change[kept])


def _early(steps: _Steps, columns: int) -> scipy.sparse.csr_matrix:
    """True positives of all sizes by (limit of EARLY x IoU threshold, column)."""
    mine = steps.area == 0
    rank, threshold = steps.rank[steps.place[mine]], steps.threshold[mine]
    column = steps.column[steps.place[mine]]
    # Steps of all sizes are sorted by threshold.
    rows = [number * len(IOUS) + threshold[rank < limit] for number, limit in enumerate(EARLY)]
    held = [column[rank < limit] for limit in EARLY]
    return _sums(np.concatenate(rows), np.concatenate(held), (len(EARLY) * len(IOUS), columns))


def _sums(
    rows: Index, columns: Index, shape: tuple[int, int], values: Index | None = None
) -> scipy.sparse.csr_matrix:
    """A matrix that adds up the weights of `columns`, times `values`, in `rows`, which ascend."""
    data = np.ones(len(rows)) if values is None else values.astype(np.float64)
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    # Columns within a row are neither sorted nor unique: products don't need that, and sorting takes long.
    return scipy.sparse.csr_matrix((data, columns, ends), shape=shape)
