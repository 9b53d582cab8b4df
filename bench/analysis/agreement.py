"""Who finds what: objects that all models find, none, or one alone; what picking the right one would give."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import RunError
from bench.evaluation import MatchTable


@dataclass(frozen=True)
class Agreement:
    """Of M models on the same split, each at its own score threshold, at IoU 0.5; crowds are left out."""

    found: NDArray[np.bool_]  # (M, O) which model finds which object
    oracle_f1: float | None
    """F1 where for every image the model with the best F1 in it is used; None without objects or detections.

    No rule that picks one model for an image, not knowing the answer, does better than one that knows it.
    """

    @property
    def by_all(self) -> int:
        return int(self.found.all(axis=0).sum())

    @property
    def by_none(self) -> int:
        return int((~self.found.any(axis=0)).sum())

    @property
    def alone(self) -> NDArray[np.int64]:
        """(M,) objects that this model finds and no other does."""
        return np.asarray((self.found & (self.found.sum(axis=0) == 1)).sum(axis=1))

    @property
    def overlap(self) -> NDArray[np.float64]:
        """(M, M) objects that both find, of those that either finds; NaN where neither finds any."""
        both = self.found.astype(np.int64) @ self.found.T.astype(np.int64)
        own = np.diag(both)
        either = own[:, None] + own - both
        return np.asarray(np.divide(both, either, out=np.full(both.shape, np.nan), where=either > 0))

    @property
    def union_recall(self) -> float | None:
        """Share of the objects that at least one model finds: a bound for the recall of an ensemble."""
        objects = self.found.shape[1]
        return 1 - self.by_none / objects if objects else None


def agreement(tables: Sequence[MatchTable], score_thresholds: Sequence[float]) -> Agreement:
    """Compare models by the objects that they find. Raises RunError for tables of different ground truths."""
    first = tables[0]
    for table in tables[1:]:
        if not np.array_equal(table.object_id, first.object_id) or table.classes != first.classes:
            raise RunError(
                "the models were judged on different objects", hint="compare runs on the same split"
            )
    there = ~first.object_crowd
    found = np.zeros((len(tables), len(first.object_id)), dtype=np.bool_)
    kept = np.zeros((len(tables), first.images), dtype=np.int64)
    for number, (table, threshold) in enumerate(zip(tables, score_thresholds, strict=True)):
        true, false = table.outcome()
        above = table.score >= threshold
        found[number, table.matched_object()[true & above]] = True
        kept[number] = np.bincount(table.image[(true | false) & above], minlength=first.images)
    return Agreement(found[:, there], _oracle_f1(found[:, there], kept, first.object_image[there]))


def _oracle_f1(
    found: NDArray[np.bool_], kept: NDArray[np.int64], object_image: NDArray[np.int32]
) -> float | None:
    images = kept.shape[1]
    objects = np.bincount(object_image, minlength=images)
    true = np.stack([np.bincount(object_image[mine], minlength=images) for mine in found])
    size = kept + objects
    # An image with nothing in it and nothing found is perfect.
    f1 = np.divide(2 * true, size, out=np.ones(true.shape), where=size > 0)
    best = f1.argmax(axis=0)
    chosen = (best, np.arange(images))
    total = int(size[chosen].sum())
    return float(2 * true[chosen].sum() / total) if total else None
