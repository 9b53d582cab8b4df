"""Do scores mean what they say, and how good is a detector with its best threshold?

* Detection expected calibration error, D-ECE (Küppers, Kronenberger, Shantia and Haselhoff 2020, arXiv
  2004.13546, eq. 5, over the score alone): the mean gap between score and precision over bins of the
  score.
* Localisation-aware ECE, LaECE (Oksuz, Joy and Dokania 2023, arXiv 2307.00934, eq. 5): by class, the gap
  between score and precision times mean IoU of the true positives; the mean over classes. A score of 0.8
  then promises a box that is right in kind and in place.
* Localisation recall precision error, LRP, and its optimum over thresholds, oLRP (Oksuz, Cam, Kalkan and
  Akbas 2021, arXiv 2011.10772, eq. 3 and 5): 0 is perfect, 1 is worst.

All at IoU 0.5; ignored detections are left out. Both calibration errors depend on which detections are
looked at, so that models are compared at their own thresholds, or all above one floor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.evaluation import MatchTable

FOUND_IOU = 0.5
BINS = 25
"""Oksuz et al.'s."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Bins of equal width over the score, from 0 to 1, left end included; B of them."""

    counts: NDArray[np.int64]  # (B,)
    mean_scores: Floats  # (B,) NaN in an empty bin
    precisions: Floats  # (B,) NaN in an empty bin
    d_ece: float | None
    """None without detections."""
    la_ece: float | None
    """Mean over the classes that have detections."""


@dataclass(frozen=True)
class LocalisationRecallPrecision:
    """Of one class at its best threshold."""

    error: float | None
    """oLRP; None where the class has no objects."""
    score_threshold: float | None
    """Where it is reached; None: best is to keep nothing."""


def calibration(table: MatchTable, *, lowest_score: float = 0.0, bins: int = BINS) -> Calibration:
    """Of the detections of at least `lowest_score`."""
    true, false = table.outcome()
    kept = np.flatnonzero((true | false) & (table.score >= lowest_score))
    score, right, label = table.score[kept], true[kept], table.label[kept]
    place = np.minimum((score * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_scores = np.bincount(place, weights=score, minlength=bins) / counts
        precisions = np.bincount(place, weights=right, minlength=bins) / counts
    gaps = np.abs(np.bincount(place, weights=score - right, minlength=bins))
    # precision x mean IoU of the true positives is the sum of their IoUs over the detections of the bin
    quality = np.where(right, table.matched_iou()[kept], 0.0)
    cell = label.astype(np.int64) * bins + place
    size = len(table.classes) * bins
    by_class = (
        np.abs(np.bincount(cell, weights=score - quality, minlength=size)).reshape(-1, bins).sum(axis=1)
    )
    detections = np.bincount(label, minlength=len(table.classes))
    some = detections > 0
    return Calibration(
        counts=counts,
        mean_scores=mean_scores,
        precisions=precisions,
        d_ece=float(gaps.sum() / len(kept)) if len(kept) else None,
        la_ece=float(np.mean(by_class[some] / detections[some])) if some.any() else None,
    )


def localisation_recall_precision(table: MatchTable) -> tuple[LocalisationRecallPrecision, ...]:
    """oLRP of every class; the mean over those that have objects is the model's."""
    true, false = table.outcome()
    # A true positive costs how far its IoU falls short, in units of the most that it can at this threshold.
    cost = np.where(true, (1 - table.matched_iou()) / (1 - FOUND_IOU), 1.0)
    results = []
    for label, objects in enumerate(table.support.tolist()):
        mine = np.flatnonzero((true | false) & (table.label == label))  # from the best score down
        if not objects:
            results.append(LocalisationRecallPrecision(None, None))
            continue
        missing = objects - np.cumsum(true[mine])
        error = (np.cumsum(cost[mine]) + missing) / (np.arange(1, len(mine) + 1) + missing)
        scores = table.score[mine]
        cut_here = np.append(scores[1:] < scores[:-1], True)[: len(scores)]
        error = np.where(cut_here, error, 2.0)
        best = int(error.argmin()) if len(error) else -1
        if best < 0 or error[best] >= 1.0:
            results.append(LocalisationRecallPrecision(1.0, None))
        else:
            results.append(LocalisationRecallPrecision(float(error[best]), float(scores[best])))
    return tuple(results)
