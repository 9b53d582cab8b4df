"""From curves to figures: the means over classes, IoU thresholds and recalls that COCO's figures are.

C classes, A area ranges, T IoU thresholds, R recalls, B draws. `Means` is of one draw, and adds up in
pycocotools' order, so that its figures are pycocotools' to the last bit. `DrawMeans` is of many draws at
once; it sums over recalls first, so that its figures may differ from those in the last bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.matches import AREAS, IOUS

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
Value = TypeVar("Value", float, Floats)

AT_25, AT_50, AT_75 = IOUS.index(0.25), IOUS.index(0.5), IOUS.index(0.75)
COCO = tuple(range(AT_50, len(IOUS)))
"""Places of COCO's ten thresholds in IOUS."""


class AnyMeans(Protocol[Value]):
    """Of one draw (float) or of B (arrays of them); NaN where nothing is defined."""

    def ap(self, ious: Sequence[int], area: int = 0, classes: Sequence[int] | None = None) -> Value:
        """Over the thresholds at these places, and over the classes that have objects in the area range."""

    def recall(self, area: int = 0) -> Value:
        """COCO's AR: over COCO's thresholds, with at most 100 detections of a class in an image."""

    def early_recall(self, place: int) -> Value:
        """The same with at most EARLY[place] detections."""

    def by_class(self) -> dict[str, list[Value]]:
        """AP, AP50 and AR: a value for each class."""

    def operating_point(self) -> dict[str, Value]:
        """precision, recall and f1; 0 / 0 is NaN."""


def named(
    means: AnyMeans[Value], classes: Sequence[str], areas: int, rare: Sequence[int], *, point: bool
) -> dict[str, Value]:
    """Every figure by name, in the order of COCO's `summarize` and then ours.

    Args:
        areas: how many of AREAS there are figures for.
        rare: class indices that AP_rare is the mean of.
        point: whether precision, recall and F1 are among the figures.
    """
    figures = {"AP": means.ap(COCO), "AP50": means.ap([AT_50]), "AP75": means.ap([AT_75])}
    for area in range(1, areas):
        figures[f"AP_{AREAS[area]}"] = means.ap(COCO, area)
    figures |= {"AR_1": means.early_recall(0), "AR_10": means.early_recall(1), "AR_100": means.recall()}
    for area in range(1, areas):
        figures[f"AR_{AREAS[area]}"] = means.recall(area)
    figures["AP_25_50_75"] = means.ap([AT_25, AT_50, AT_75])
    figures["AP_rare"] = means.ap(COCO, classes=rare)
    if point:
        figures |= means.operating_point()
    by_class = means.by_class()
    for label, name in enumerate(classes):
        for key, values in by_class.items():
            figures[f"{key}/{name}"] = values[label]
    return figures


@dataclass(frozen=True)
class Means:
    """Of one draw, added up as pycocotools does."""

    precision: Floats  # (C, A, T, R)
    recalls: Floats  # (A, T, C)
    early: Floats  # (2, T, C) recall of the best 1 and 10 of an image
    defined: NDArray[np.bool_]  # (C, A) there are objects
    point: Index | None  # weighted true positives, false positives, objects

    @classmethod
    def none(cls, classes: int, areas: int) -> "Means":
        """Nothing is there and nothing defined."""
        return cls(
            precision=np.zeros((classes, areas, len(IOUS), 1)),
            recalls=np.zeros((areas, len(IOUS), classes)),
            early=np.zeros((2, len(IOUS), classes)),
            defined=np.zeros((classes, areas), dtype=np.bool_),
            point=np.zeros(3, dtype=np.int64),
        )

    def ap(self, ious: Sequence[int], area: int = 0, classes: Sequence[int] | None = None) -> float:
        """The mean in the order (IoU, recall, class), in which pycocotools adds up."""
        chosen = np.flatnonzero(self.defined[:, area])
        if classes is not None:
            chosen = np.intersect1d(chosen, classes)
        if not len(chosen):
            return float("nan")
        values = self.precision[chosen, area][:, list(ious)]
        return float(np.mean(np.ascontiguousarray(values.transpose(1, 2, 0)).reshape(-1)))

    def recall(self, area: int = 0) -> float:
        return self._mean_recall(self.recalls[area], area)

    def early_recall(self, place: int) -> float:
        return self._mean_recall(self.early[place], 0)

    def _mean_recall(self, recall: Floats, area: int) -> float:
        values = recall[AT_50:, self.defined[:, area]]
        return float(np.mean(values.reshape(-1))) if values.size else float("nan")

    def by_class(self) -> dict[str, list[float]]:
        classes = len(self.precision)
        values = self.precision[:, 0, AT_50:]
        recall = np.ascontiguousarray(self.recalls[0, AT_50:].T)
        found = {
            "AP": values.reshape(classes, -1).mean(axis=1),
            "AP50": values[:, 0].mean(axis=1),
            "AR": recall.mean(axis=1),
        }
        defined = self.defined[:, 0]
        return {name: np.where(defined, mean, np.nan).tolist() for name, mean in found.items()}

    def operating_point(self) -> dict[str, float]:
        assert self.point is not None
        true, false, objects = (int(value) for value in self.point)
        return {
            "precision": _share(true, true + false),
            "recall": _share(true, objects),
            "f1": _share(2 * true, true + false + objects),
        }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


@dataclass(frozen=True)
class DrawMeans:
    """Of B draws at once."""

    precision: Floats  # (C, B, A, T) mean over recalls
    recalls: Floats  # (C, B, A, T)
    early: Floats  # (2, C, B, T) recall of the best 1 and 10 of an image
    defined: NDArray[np.bool_]  # (C, B, A) there are objects
    point: Index | None  # (B, 3) weighted true positives, false positives, objects

    def ap(self, ious: Sequence[int], area: int = 0, classes: Sequence[int] | None = None) -> Floats:
        chosen = slice(None) if classes is None else list(classes)
        return _mean(self.precision[chosen, :, area][..., list(ious)], self.defined[chosen, :, area])

    def recall(self, area: int = 0) -> Floats:
        return _mean(self.recalls[:, :, area, AT_50:], self.defined[:, :, area])

    def early_recall(self, place: int) -> Floats:
        return _mean(self.early[place][..., AT_50:], self.defined[:, :, 0])

    def by_class(self) -> dict[str, list[Floats]]:
        found = {
            "AP": self.precision[:, :, 0, AT_50:].mean(axis=-1),
            "AP50": self.precision[:, :, 0, AT_50],
            "AR": self.recalls[:, :, 0, AT_50:].mean(axis=-1),
        }
        defined = self.defined[:, :, 0]
        return {name: list(np.where(defined, mean, np.nan)) for name, mean in found.items()}

    def operating_point(self) -> dict[str, Floats]:
        assert self.point is not None
        true, false, objects = self.point.T.astype(np.float64)
        with np.errstate(invalid="ignore"):
            return {
                "precision": true / (true + false),
                "recall": true / objects,
                "f1": 2 * true / (true + false + objects),
            }


def _mean(values: Floats, defined: NDArray[np.bool_]) -> Floats:
    """Of (C, B, T) over T and over the classes that are defined in a draw, (B,)."""
    with np.errstate(invalid="ignore"):
        sums = np.where(defined, values.mean(axis=-1), 0.0).sum(axis=0)
        return np.asarray(sums / defined.sum(axis=0))
