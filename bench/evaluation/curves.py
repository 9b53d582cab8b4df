"""Precision-recall curves of one class from a match table, for many draws of image weights at once.

Axes: B draws, A area ranges, T IoU thresholds (IOUS), R recall thresholds (RECALLS), S = A x T segments, one
for each area range and threshold. See bench.evaluation.weighted for the idea.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from bench.evaluation.matches import IOUS

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
        """From (B, I); see bench.evaluation.steps.curves_of for `copies`."""
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
