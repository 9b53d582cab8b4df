"""Figures at score thresholds that were chosen on val for a purpose, with draws of the test images.

* recall_at_precision_P: the lowest threshold at which val's precision is at least P; recall on test there.
  0 where no threshold reaches P: then nothing may be kept. precision_at_precision_P is the precision on
  test there.
* precision_at_recall_R: the highest threshold at which val's recall is at least R; precision on test there.
  Undefined where all detections together find fewer objects.
* error_cost_C: the threshold with the lowest cost on val where a missed object costs C and a false alarm 1;
  the cost on test by image.

Precision and recall are over all classes together, at IoU .50.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bench.analysis import score_curve, threshold_for_precision, threshold_for_recall
from bench.evaluation import MatchTable

PRECISIONS = (0.95, 0.99)
RECALLS = (0.9,)
MISS_COSTS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Of a missed object, in false alarms."""

NOTHING = float("inf")
"""The threshold that keeps no detection."""

Floats = NDArray[np.float64]


def chosen_thresholds(val: MatchTable) -> dict[str, float]:
    """Figure -> its threshold; without the figures that are undefined."""
    curve = score_curve(val)
    found: dict[str, float] = {}
    for precision in PRECISIONS:
        threshold = threshold_for_precision(curve, precision)
        found[f"recall_at_precision_{precision:g}"] = NOTHING if threshold is None else threshold
    for recall in RECALLS:
        threshold = threshold_for_recall(curve, recall)
        if threshold is not None:
            found[f"precision_at_recall_{recall:g}"] = threshold
    scores = np.append(np.inf, curve.scores)
    missed = curve.objects - np.append(0, curve.true_positives)
    alarms = np.append(0, curve.false_positives)
    for cost in MISS_COSTS:
        found[f"error_cost_{cost:g}"] = float(scores[np.argmin(cost * missed + alarms)])
    return found


def operating_figures(
    test: MatchTable, thresholds: Mapping[str, float], weights: NDArray[np.int64]
) -> dict[str, Floats]:
    """Figure -> values (draws,) on test; `weights` (draws, images) says how often each image was drawn."""
    true, false = test.outcome()
    drawn = weights.astype(np.float64)  # floats of whole numbers: exact, and many times as fast
    real = np.bincount(test.object_image[~test.object_crowd], minlength=test.images)
    objects, images = drawn @ real, drawn.sum(axis=1)
    found = {}
    for name, threshold in thresholds.items():
        kept = test.score >= threshold
        right = drawn @ np.bincount(test.image[true & kept], minlength=test.images)
        wrong = drawn @ np.bincount(test.image[false & kept], minlength=test.images)
        kind, _, value = name.rpartition("_")
        with np.errstate(invalid="ignore", divide="ignore"):
            if kind == "recall_at_precision":
                found[name] = right / objects
                found[f"precision_at_precision_{value}"] = right / (right + wrong)
            elif kind == "precision_at_recall":
                found[name] = right / (right + wrong)
            else:
                found[name] = (float(value) * (objects - right) + wrong) / images
    return found
