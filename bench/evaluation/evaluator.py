"""The one evaluator: hotcoco's COCOeval, which gives pycocotools' numbers to the last bit, for boxes.

Its arrays have the axes of pycocotools: precision (IoU, recall, class, size, limit) and recall (IoU, class,
size, limit); -1 stands for what is not defined.
"""

from collections.abc import Sequence

import hotcoco
import numpy as np
from numpy.typing import NDArray

from bench.evaluation.ground_truth import GroundTruth
from bench.evaluation.results import Results, bad_detection

ALL_SIZES = [[0.0, 1e10]]
"""COCO's area range `all`, square pixels."""

MAX_DETECTIONS = 100
"""COCO's limit: the best so many detections of a class in a picture are judged."""


def load_detections(ground_truth: GroundTruth, results: Results) -> hotcoco.COCO:
    """`results` ready to be judged.

    Raises RunError for a detection in a picture, or of a category, that the ground truth does not have: the
    evaluators would pass over it without a word.
    """
    known_image = np.isin(results.image_ids, ground_truth.image_ids)
    known_category = np.isin(results.category_ids, list(ground_truth.coco.get_cat_ids()))
    known = known_image & known_category
    if not known.all():
        place = int(np.argmin(known))
        what = "category" if known_image[place] else "picture"
        raise bad_detection(
            results,
            place,
            f"the ground truth {ground_truth.path} has no such {what}",
            hint="judge predictions against the split and the layout that they were made for",
        )
    rows = [results.image_ids, results.boxes_xywh, results.scores, results.category_ids]
    return ground_truth.coco.load_res(np.column_stack(rows).astype(np.float64))


def compare(
    ground_truth: GroundTruth,
    detections: hotcoco.COCO,
    *,
    ious: Sequence[float] | None = None,
    image_ids: Sequence[int] | None = None,
) -> hotcoco.COCOeval:
    """Match and accumulate: COCO's twelve figures' way, or, where `ious` is given, at those IoU thresholds
    over all sizes with MAX_DETECTIONS. `image_ids` leaves out the other pictures."""
    evaluator = hotcoco.COCOeval(ground_truth.coco, detections, "bbox")
    if ious is not None:
        evaluator.params.iou_thrs = list(ious)
        evaluator.params.area_rng = ALL_SIZES
        evaluator.params.area_rng_lbl = ["all"]
        evaluator.params.max_dets = [MAX_DETECTIONS]
    if image_ids is not None:
        evaluator.params.img_ids = list(image_ids)
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator


def arrays(evaluator: hotcoco.COCOeval) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall, axes as in this module's text."""
    found = evaluator.eval
    assert found is not None, "compare() accumulates"
    return np.asarray(found["precision"]), np.asarray(found["recall"])


def mean(values: NDArray[np.float64]) -> float | None:
    """Mean of what is defined, as COCOeval.summarize takes it; None where nothing is."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else None
