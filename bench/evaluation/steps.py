"""From a match table to its curves: which detections change a count, class by class.

A area ranges, T IoU thresholds, S = A x T segments, E steps, V detections. See bench.evaluation.curves.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from bench.evaluation.curves import EARLY, Curves
from bench.evaluation.matches import IOUS, NO_OBJECT, MatchTable, is_outside

Index = NDArray[np.int64]


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
