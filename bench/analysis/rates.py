"""Rates of a detector at its score threshold, on any weights of the images: precision, errors, counts.

Every rate is a ratio of sums over images, so that a draw of images costs one product of matrices.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from bench.analysis.errors import KINDS, errors_at
from bench.evaluation import MatchTable

Floats = NDArray[np.float64]

_OF_DETECTIONS = tuple(kind for kind in KINDS if kind != "missed")
_COLUMNS = ("true", "false", "objects", "off", *_OF_DETECTIONS)
"""`off`: how far the number of detections is from that of objects."""

RATES = (
    "precision",
    "recall",
    "f1",
    *(f"{kind}_per_object" for kind in KINDS),
    "false_positives_per_image",
    "count_error",
    "count_bias",
)
"""At IoU 0.5. KIND_per_object: errors of the kind (bench.analysis.errors) over the objects that there are.
count_error: mean over images of |detections - objects|; count_bias: of detections - objects."""


@dataclass(frozen=True)
class Counts:
    """By image, of all classes together (G = 1) or of each (G = C)."""

    groups: int
    by_image: scipy.sparse.csr_matrix  # (G x columns, I)

    @classmethod
    def of(cls, table: MatchTable, score_threshold: float, *, by_class: bool = False) -> "Counts":
        """Of the detections of at least that score; crowds, and detections on them, are left out.

        With `by_class` a detection counts for the class that it names, a missed object for its own.
        """
        groups = len(table.classes) if by_class else 1
        label = table.label if by_class else np.zeros(len(table), dtype=np.int32)
        object_label = table.object_label if by_class else np.zeros(len(table.object_id), dtype=np.int32)
        true, false = table.outcome()
        kept = table.score >= score_threshold
        there = ~table.object_crowd
        errors = errors_at(table, score_threshold)
        found = {
            "true": (label[true & kept], table.image[true & kept]),
            "false": (label[false & kept], table.image[false & kept]),
            "objects": (object_label[there], table.object_image[there]),
        }
        for kind in _OF_DETECTIONS:
            mine = errors.detections[errors.kinds == KINDS.index(kind)]
            found[kind] = label[mine], table.image[mine]
        shape = (groups, table.images)
        sums = {name: _tally(group, image, shape) for name, (group, image) in found.items()}
        sums["off"] = abs(sums["true"] + sums["false"] - sums["objects"])
        return cls(groups, scipy.sparse.vstack([sums[name] for name in _COLUMNS], format="csr"))

    def rates(self, weights: NDArray[np.integer]) -> dict[str, Floats]:
        """RATES for weights (B, I): name -> (B, G); NaN where a denominator is 0."""
        sums = (self.by_image @ weights.T.astype(np.float64)).reshape(len(_COLUMNS), self.groups, -1)
        of = dict(zip(_COLUMNS, sums.transpose(0, 2, 1), strict=True))
        images = weights.sum(axis=1, dtype=np.float64)[:, None]
        detections = of["true"] + of["false"]
        missed = of["objects"] - of["true"]
        found = {
            "precision": _share(of["true"], detections),
            "recall": _share(of["true"], of["objects"]),
            "f1": _share(2 * of["true"], detections + of["objects"]),
        }
        for kind in KINDS:
            amount = missed if kind == "missed" else of[kind]
            found[f"{kind}_per_object"] = _share(amount, of["objects"])
        found["false_positives_per_image"] = _share(of["false"], images)
        found["count_error"] = _share(of["off"], images)
        found["count_bias"] = _share(detections - of["objects"], images)
        return found


def _tally(
    group: NDArray[np.integer], image: NDArray[np.integer], shape: tuple[int, int]
) -> scipy.sparse.csr_matrix:
    """How often each (group, image) occurs."""
    return scipy.sparse.csr_matrix((np.ones(len(group)), (group, image)), shape=shape)


def _share(part: Floats, whole: Floats) -> Floats:
    """NaN where the whole is 0."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))
