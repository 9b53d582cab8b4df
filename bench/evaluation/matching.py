"""Which detections found an object, by the evaluator's own matches at IoU 0.5.

The evaluator goes through a picture's detections of a class from the best score down and gives each the best
object that is still free. So a match never depends on detections of lower scores, and cutting the list at any
score leaves the matches above it as they are.
"""

from dataclasses import dataclass

import hotcoco
import numpy as np
from numpy.typing import NDArray

from bench.evaluation.evaluator import compare
from bench.evaluation.gc_pause import gc_paused
from bench.evaluation.ground_truth import GroundTruth
from bench.layout import CATEGORY_OFFSET

IOU = 0.5
"""The overlap from which an object counts as found: PASCAL VOC's, and that of COCO's AP50."""

_IMAGES_AT_ONCE = 256
"""The evaluator hands its matches over as lists; so many pictures' at a time keep the memory small."""


@dataclass(frozen=True)
class Matches:
    """The detections that count, best score first. One on a crowd counts neither way and is not here."""

    scores: NDArray[np.float64]  # (N,) descending
    labels: NDArray[np.int64]  # (N,) class indices
    found: NDArray[np.bool_]  # (N,) an object of its class
    objects: int
    """There to be found, crowds left out."""


def match(ground_truth: GroundTruth, detections: hotcoco.COCO) -> Matches:
    """Every detection that counts; `detections` come from `evaluator.load_detections`."""
    scores: list[float] = []
    found: list[bool] = []
    ignored: list[bool] = []
    entry_labels: list[int] = []
    entry_sizes: list[int] = []
    with gc_paused():
        for start in range(0, len(ground_truth.image_ids), _IMAGES_AT_ONCE):
            image_ids = ground_truth.image_ids[start : start + _IMAGES_AT_ONCE].tolist()
            for entry in compare(ground_truth, detections, ious=[IOU], image_ids=image_ids).eval_imgs:
                if entry is not None:  # one picture and class
                    scores += entry["dtScores"]
                    found += entry["dtMatched"][0]
                    ignored += entry["dtIgnore"][0]
                    entry_labels.append(entry["category_id"] - CATEGORY_OFFSET)
                    entry_sizes.append(len(entry["dtScores"]))
    score_column = np.array(scores, dtype=np.float64)
    order = np.argsort(-score_column, kind="stable")
    order = order[~np.array(ignored, dtype=np.bool_)[order]]
    return Matches(
        scores=score_column[order],
        labels=np.repeat(np.array(entry_labels, dtype=np.int64), entry_sizes)[order],
        found=np.array(found, dtype=np.bool_)[order],
        objects=int(ground_truth.support.sum()),
    )
