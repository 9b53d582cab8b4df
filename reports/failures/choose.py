"""Which pictures the report shows: decided after judging, by how much they tell about the models' errors.

One in RANDOM_SHARE is drawn at random among all test images, so that ordinary ones are seen too.
The others are taken in turn from rankings, one for each question: missed by every model, found by one model
alone, seen by most models but not labelled, most disagreement, each kind of error, most confident false
alarms, and the worst of every class.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from bench.reports.failures.errors import BACKGROUND, CLASS, KINDS, MISSED, TITLES, SplitErrors

RANDOM_SHARE = 5
SEED = 0
AT_RANDOM = "drawn at random"


@dataclass(frozen=True)
class Choice:
    """One chosen image."""

    image_id: int
    why: str


def choose(errors: SplitErrors, most: int) -> list[Choice]:
    """At most `most` images, most errors first; the same for the same errors."""
    ids = errors.table.image_ids
    chance = np.random.default_rng(SEED)
    ordinary = chance.permutation(len(ids))[: -(-most // RANDOM_SHARE)]
    chosen = dict.fromkeys((int(index) for index in ordinary[:most]), AT_RANDOM)
    for index, why in _in_turn(_rankings(errors)):
        if chosen.get(index) == AT_RANDOM:
            chosen[index] = f"{why} ({AT_RANDOM})"
        elif index not in chosen and len(chosen) < most:
            chosen[index] = why
    totals = sum(model.by_image(kind) for model in errors.models for kind in range(len(KINDS)))
    order = sorted(chosen, key=lambda index: (-int(np.asarray(totals)[index]), index))
    return [Choice(int(ids[index]), chosen[index]) for index in order]


def _rankings(errors: SplitErrors) -> Iterator[tuple[str, list[int]]]:
    """(why, image indices from the one that tells most), without images that tell nothing."""
    table, images = errors.table, errors.table.images

    def objects(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(table.object_image[which], minlength=images)

    yield "missed by every model", _descending(objects(errors.missed_by_all))
    yield "found by one model alone", _descending(objects(errors.found_by_one))
    yield "every model says so, the label doesn't", _descending(_unlabelled(errors))
    some = errors.real & ~errors.found_by_all & ~errors.missed_by_all
    yield "models disagree", _descending(objects(some))
    for kind in range(len(KINDS)):
        counts = np.sum([model.by_image(kind) for model in errors.models], axis=0)
        yield f"most errors of one kind: {TITLES[kind]}", _descending(counts)
    yield "most confident false alarm", _descending(_best_alarm(errors))
    for index, name in enumerate(table.classes):
        yield f"most errors with \u2068{name}\u2069", _descending(_with_class(errors, index))


def _unlabelled(errors: SplitErrors) -> NDArray[np.int64]:
    """(I,) classes that more than half of the models see in an image where the label has none, or another."""
    table, classes = errors.table, len(errors.table.classes)
    votes = np.zeros(table.images * classes, dtype=np.int64)
    for model in errors.models:
        wrong = model.wrong(BACKGROUND) | model.wrong(CLASS)
        votes[np.unique(model.table.image[wrong].astype(np.int64) * classes + model.table.label[wrong])] += 1
    most = 2 * votes > len(errors.models)
    agreed = most & (len(errors.models) > 1)
    return np.asarray(agreed.reshape(table.images, classes).sum(axis=1))


def _best_alarm(errors: SplitErrors) -> NDArray[np.float64]:
    """(I,) the highest score of a detection where nothing is; 0 without one."""
    best = np.zeros(errors.table.images)
    for model in errors.models:
        wrong = model.wrong(BACKGROUND)
        np.maximum.at(best, model.table.image[wrong], model.table.score[wrong])
    return best


def _with_class(errors: SplitErrors, label: int) -> NDArray[np.int64]:
    """(I,) errors of all models with objects or detections of one class."""
    counts = np.zeros(errors.table.images, dtype=np.int64)
    for model in errors.models:
        table = model.table
        missed = model.missed & (table.object_label == label)
        wrong = model.shown & (model.kind > MISSED) & (table.label == label)
        counts += np.bincount(table.object_image[missed], minlength=table.images)
        counts += np.bincount(table.image[wrong], minlength=table.images)
    return counts


def _descending(values: NDArray[np.int64] | NDArray[np.float64]) -> list[int]:
    """Indices of the values over zero, largest first; of equal values the first first."""
    order = np.argsort(-values, kind="stable")
    return [int(index) for index in order if values[index] > 0]


def _in_turn(rankings: Iterator[tuple[str, list[int]]]) -> Iterator[tuple[int, str]]:
    """The first of every ranking, then the second of every one, and so on."""
    lists: Sequence[list[tuple[int, str]]] = [[(index, why) for index in found] for why, found in rankings]
    for row in zip_longest(*lists):
        yield from (item for item in row if item is not None)
