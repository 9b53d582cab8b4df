"""Match detections to objects as pycocotools does, for every IoU threshold and area range at once.

pycocotools goes through the detections of one image and class from the best score down (equal scores in
the order of the file, the best 100 only). Each takes the object with the largest IoU among those whose IoU
reaches the threshold and that no earlier detection has taken; crowds may be taken any number of times;
objects that are ignored (crowds, and objects outside the area range) are considered only where no other
object will do; of equal IoUs the later object in the file wins. (COCOeval.evaluateImg.)

Here the n-th detections of all images and classes are matched together, one round for each n, on arrays with
an axis for the area ranges and one for the thresholds. Only pairs that overlap enough take part, so few
rounds have many rows.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.ground_truth import GroundTruth
from bench.evaluation.matches import (
    AREA_RANGES,
    AREAS,
    IOUS,
    MAX_DETECTIONS,
    NO_OBJECT,
    MatchTable,
    is_outside,
)
from bench.evaluation.results import Results, bad_detection
from bench.layout import CATEGORY_OFFSET

_PAIRS_AT_ONCE = 1 << 18
"""So many pairs of detection and object fit in a processor's cache."""

Index = NDArray[np.int64]


def match(ground_truth: GroundTruth, results: Results, *, quick: bool = False) -> MatchTable:
    """Match `results` with the objects of `ground_truth`.

    Args:
        quick: for figures over all sizes alone: `hit_object` has no other area range, and the best overlaps
            (`own_*`, `other_*`) say that there are none. Only pairs of the same class are compared then.

    Raises RunError for a detection in an image, or of a category, that the ground truth does not have.
    """
    _check_known(ground_truth, results)
    truth = ground_truth
    image = _places(truth.image_ids, results.image_ids)
    label = results.category_ids - CATEGORY_OFFSET
    order = _in_order(label, results.scores, image)
    image, label = image[order], label[order]
    width, height = results.boxes_xywh[:, 2], results.boxes_xywh[:, 3]
    group = label * len(truth.image_ids) + image
    by_image = _stable_order(image)
    by_group = by_image[_stable_order(label[by_image])]
    rank = _rank_in_group(group, by_group)  # detections are in the order of their scores within a group
    if quick:
        pairs = _overlaps_in_class(truth, group, by_group, results.boxes_xywh, order)
        best = _Best.none(len(image))
    else:
        best, pairs = _overlaps(truth, image, label, results.boxes_xywh[order])
    pairs = pairs.where(rank[pairs.detection] < MAX_DETECTIONS)
    hit, hit_object, hit_iou = _greedy(truth, pairs, group, areas=1 if quick else len(AREA_RANGES))
    return MatchTable(
        classes=truth.classes,
        image_ids=truth.image_ids,
        object_image=truth.object_image,
        object_label=truth.object_label,
        object_area=truth.object_area,
        object_crowd=truth.object_crowd,
        object_id=truth.object_id,
        image=image.astype(np.int32),
        label=label.astype(np.int32),
        score=results.scores[order],
        area=(width * height)[order],
        rank=rank.astype(np.int32),
        row=order.astype(np.int32),
        own_iou=best.own_iou,
        own_object=best.own_object,
        other_iou=best.other_iou,
        other_object=best.other_object,
        hit=hit.astype(np.int32),
        hit_object=hit_object,
        hit_iou=hit_iou,
    )


def _check_known(truth: GroundTruth, results: Results) -> None:
    """Raise RunError for the first detection whose image or category the ground truth does not have."""
    known_image = np.isin(results.image_ids, truth.image_ids)
    label = results.category_ids - CATEGORY_OFFSET
    known = known_image & (label >= 0) & (label < len(truth.classes))
    if not known.all():
        place = int(np.argmin(known))
        what = "category" if known_image[place] else "picture"
        raise bad_detection(
            results,
            place,
            f"the ground truth {truth.path} has no such {what}",
            hint="judge predictions against the split and the layout that they were made for",
        )


def _places(image_ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> Index:
    """Where each of `wanted`, all known, is in the ascending `image_ids`; by a table where it is small."""
    if not len(image_ids) or image_ids[-1] > 10 * len(wanted):
        return np.searchsorted(image_ids, wanted)
    place = np.zeros(int(image_ids[-1]) + 1, dtype=np.int64)
    place[image_ids] = np.arange(len(image_ids))
    return place[wanted]


def _in_order(label: Index, scores: NDArray[np.float64], image: Index) -> Index:
    """By class, score (high to low), image and row: np.lexsort((image, -scores, label)), but faster."""
    order = _stable_order(image)
    order = order[np.argsort(-scores[order], kind="stable")]
    return np.asarray(order[_stable_order(label[order])])


def _stable_order(numbers: Index) -> Index:
    """np.argsort of numbers from 0; numpy sorts those of 16 bits by radix, in a tenth of the time."""
    few = numbers.astype(np.uint16) if numbers.max(initial=0) < 1 << 16 else numbers
    return np.argsort(few, kind="stable")


def _rank_in_group(group: Index, by_group: Index) -> Index:
    """How many earlier elements belong to the same group, shape (N,); `by_group` sorts them, stably."""
    ranked = group[by_group]
    place = np.arange(len(group))
    first = np.append(True, ranked[1:] != ranked[:-1])[: len(group)]
    rank = np.empty(len(group), dtype=np.int64)
    rank[by_group] = place - np.maximum.accumulate(np.where(first, place, 0))
    return rank


@dataclass(frozen=True)
class _Pairs:
    """Detections and objects of the same image and class that overlap by at least IOUS[0], (P,) each."""

    detection: Index
    object: Index
    iou: NDArray[np.float64]

    @classmethod
    def none(cls) -> "_Pairs":
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    @classmethod
    def joined(cls, parts: Sequence["_Pairs"]) -> "_Pairs":
        return cls(
            np.concatenate([each.detection for each in parts]),
            np.concatenate([each.object for each in parts]),
            np.concatenate([each.iou for each in parts]),
        )

    def where(self, kept: NDArray[np.bool_] | Index) -> "_Pairs":
        return _Pairs(self.detection[kept], self.object[kept], self.iou[kept])


@dataclass(frozen=True)
class _Best:
    """The object that each detection overlaps most, of its own class and of any other, (N,) each."""

    own_iou: NDArray[np.float64]
    own_object: NDArray[np.int32]
    other_iou: NDArray[np.float64]
    other_object: NDArray[np.int32]

    @classmethod
    def none(cls, count: int) -> "_Best":
        objects = np.full((2, count), NO_OBJECT, dtype=np.int32)
        return cls(np.zeros(count), objects[0], np.zeros(count), objects[1])


def _overlaps(
    truth: GroundTruth, image: Index, label: Index, boxes_xywh: NDArray[np.float64]
) -> tuple[_Best, _Pairs]:
    """All overlaps within images; a crowd is a candidate for a match but never a best object."""
    best = _Best.none(len(image))
    by_image = np.argsort(truth.object_image, kind="stable")
    found = [_Pairs.none()]
    by_detection_image = np.argsort(image, kind="stable")
    for detection, place in _within_groups(image, by_detection_image, truth.object_image[by_image]):
        pairs = _Pairs(detection, by_image[place], _iou(truth, boxes_xywh[detection], by_image[place]))
        pairs = pairs.where(pairs.iou > 0)
        same = label[pairs.detection] == truth.object_label[pairs.object]
        found.append(pairs.where(same & (pairs.iou >= IOUS[0])))
        whole = ~truth.object_crowd[pairs.object]
        _put_best(pairs.where(same & whole), best.own_iou, best.own_object)
        _put_best(pairs.where(~same & whole), best.other_iou, best.other_object)
    return best, _Pairs.joined(found)


def _overlaps_in_class(
    truth: GroundTruth, group: Index, by_group: Index, boxes_xywh: NDArray[np.float64], row: Index
) -> _Pairs:
    """The pairs of `_overlaps` alone.

    `group` (N,) is each detection's class and image in one number, `row` its place in `boxes_xywh`.
    """
    object_group = truth.object_label.astype(np.int64) * len(truth.image_ids) + truth.object_image
    objects = np.argsort(object_group, kind="stable")
    found = [_Pairs.none()]
    for detection, place in _within_groups(group, by_group, object_group[objects]):
        pairs = _Pairs(detection, objects[place], _iou(truth, boxes_xywh[row[detection]], objects[place]))
        found.append(pairs.where(pairs.iou >= IOUS[0]))
    return _Pairs.joined(found)


def _within_groups(
    group: NDArray[np.integer], by_group: Index, object_group: NDArray[np.integer]
) -> Iterator[tuple[Index, Index]]:
    """Every pair of a detection and an object of the same group, group by group, many pairs at a time.

    `by_group` sorts the detections, `object_group` is sorted. All pairs of a detection come together, its
    objects in their order.
    """
    ranked = group[by_group]
    groups, objects = np.unique(object_group, return_counts=True)
    begin = np.searchsorted(ranked, groups)
    found = np.searchsorted(ranked, groups, side="right") - begin  # detections of each group with objects
    by_group = by_group[np.arange(int(found.sum())) + np.repeat(begin - np.cumsum(found) + found, found)]
    first = np.repeat(np.cumsum(objects) - objects, found)
    counts = np.repeat(objects, found)
    ends = np.cumsum(counts)
    start = 0
    while start < len(by_group):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")), start + 1)
        chosen, times = by_group[start:stop], counts[start:stop]
        begins = np.cumsum(times) - times
        place = np.arange(int(times.sum())) - np.repeat(begins - first[start:stop], times)
        yield np.repeat(chosen, times), place
        start = stop


def _iou(truth: GroundTruth, detection_xywh: NDArray[np.float64], thing: Index) -> NDArray[np.float64]:
    """pycocotools' maskApi bbIou, operation by operation; for a crowd the union is the detection's area."""
    dx, dy, dw, dh = detection_xywh.T
    gx, gy, gw, gh = truth.object_xywh[thing].T
    width = np.minimum(dx + dw, gx + gw) - np.maximum(dx, gx)
    height = np.minimum(dy + dh, gy + gh) - np.maximum(dy, gy)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    area = dw * dh
    union = np.where(truth.object_crowd[thing], area, area + gw * gh - shared)
    iou: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return iou


def _put_best(pairs: _Pairs, iou: NDArray[np.float64], thing: NDArray[np.int32]) -> None:
    """Write each detection's largest IoU and its object, the first of equals, into the two columns."""
    if not len(pairs.iou):
        return
    starts = np.flatnonzero(np.append(True, pairs.detection[1:] != pairs.detection[:-1]))
    largest = np.maximum.reduceat(pairs.iou, starts)
    times = np.diff(np.append(starts, len(pairs.iou)))
    is_largest = np.flatnonzero(pairs.iou == np.repeat(largest, times))[::-1]
    iou[pairs.detection[starts]] = largest
    thing[pairs.detection[is_largest]] = pairs.object[is_largest]  # the last written is the first of equals


def _greedy(
    truth: GroundTruth, pairs: _Pairs, group: Index, *, areas: int
) -> tuple[Index, NDArray[np.int32], NDArray[np.float64]]:
    """The table's columns hit, hit_object and hit_iou, for the first `areas` of AREA_RANGES."""
    # A detection's pairs from the largest IoU down, the later object first among equals: the first pair that
    # is free and reaches the threshold is the match.
    pairs = pairs.where(np.lexsort((-pairs.object, -pairs.iou, pairs.detection)))
    hit, first, counts = np.unique(pairs.detection, return_index=True, return_counts=True)
    turns = _rank_in_group(group[hit], np.argsort(group[hit], kind="stable"))
    matched = np.full((len(hit), areas, len(IOUS)), NO_OBJECT, dtype=np.int32)
    taken = np.zeros((len(truth.object_id), areas, len(IOUS)), dtype=np.bool_)
    ignored = (is_outside(truth.object_area) | truth.object_crowd[:, None])[:, :areas]
    by_turn = np.argsort(turns, kind="stable")
    edges = np.searchsorted(turns[by_turn], np.arange(turns.max(initial=-1) + 2))
    for start, stop in itertools.pairwise(edges.tolist()):
        now = by_turn[start:stop]
        matched[now] = _round(pairs, first[now], counts[now], taken, ignored)
        at = matched[now] != NO_OBJECT
        _, area, threshold = np.nonzero(at)
        thing = matched[now][at]
        taken[thing, area, threshold] = ~truth.object_crowd[thing]
    at_half = matched[:, AREAS.index("all"), IOUS.index(0.5)]
    iou = np.zeros(len(hit))
    for place in range(int(counts.max(initial=0))):
        rows = np.flatnonzero(counts > place)
        rows = rows[pairs.object[first[rows] + place] == at_half[rows]]
        iou[rows] = pairs.iou[first[rows] + place]
    return hit, matched, iou


def _round(
    pairs: _Pairs,
    first: Index,
    counts: Index,
    taken: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """The objects of one detection an image and class, each with `counts` pairs from `first` on."""
    shape = (len(first), *taken.shape[1:])
    matched = np.full(shape, NO_OBJECT, dtype=np.int32)
    fallback = matched.copy()
    for place in range(int(counts.max())):
        rows = np.flatnonzero(counts > place)
        pair = first[rows] + place
        thing = pairs.object[pair]
        fits = ~taken[thing] & (pairs.iou[pair, None] >= np.array(IOUS))[:, None, :]
        for kind, chosen in ((ignored[thing], fallback), (~ignored[thing], matched)):
            mine = chosen[rows]
            here = fits & kind[:, :, None] & (mine == NO_OBJECT)
            chosen[rows] = np.where(here, thing[:, None, None], mine)
    return np.where(matched == NO_OBJECT, fallback, matched)
