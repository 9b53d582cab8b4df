"""The judge's two answers: a few quick figures while a model trains, and the whole verdict on a split."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.detector import Detections
from bench.errors import RunError
from bench.evaluation.evaluator import arrays, compare, load_detections, mean
from bench.evaluation.ground_truth import GroundTruth
from bench.evaluation.matching import match
from bench.evaluation.operating_point import best_score, detections_by_class, operating_point
from bench.evaluation.results import Results, by_image
from bench.records import ClassFigures, CocoFigures, SplitFigures

COCO_IOUS = tuple(float(iou) for iou in np.linspace(0.5, 0.95, 10))
"""pycocotools' thresholds, made as it makes them."""

LENIENT_IOUS = (0.25, 0.5, 0.75)
"""Of AP_25_50_75, for data whose boxes were drawn loosely."""

_AT_50, _AT_75 = 0, 5  # places in COCO_IOUS
_ALL, _SMALL, _MEDIUM, _LARGE = range(4)  # places in COCO's area ranges
_BEST_1, _BEST_10, _BEST_100 = range(3)  # places in COCO's limits


def score(
    ground_truth: GroundTruth, detections: Sequence[Detections], rare_classes: Sequence[str] = ()
) -> dict[str, float]:
    """AP, AP50, AP75, AR_100 and AP_rare, the words of `Recipe.monitor`, equal to those of the verdict.

    `detections` are in the order of the json's pictures.

    0.0 where they are undefined, because there is no object to find; AP_rare is then left out. Raises
    RunError as `results_json` does.
    """
    results = by_image(ground_truth.image_ids, detections)
    # (10, 101, classes, 1, 1) and (10, classes, 1, 1)
    precision, recall = arrays(compare(ground_truth, load_detections(ground_truth, results), ious=COCO_IOUS))
    rare = _rare_ap(ground_truth, precision, rare_classes)
    return {
        "AP": mean(precision) or 0.0,
        "AP50": mean(precision[_AT_50]) or 0.0,
        "AP75": mean(precision[_AT_75]) or 0.0,
        "AR_100": mean(recall) or 0.0,
        **({} if rare is None else {"AP_rare": rare}),
    }


def evaluate_split(
    ground_truth: GroundTruth,
    results: Results,
    classes: Sequence[str],
    score_threshold: float | None,
    rare_classes: Sequence[str] = (),
) -> SplitFigures:
    """The verdict on one split.

    Args:
        classes: names by class index, as the detector knows them.
        score_threshold: val's best, for val and for test; None takes the best of `results` themselves.
        rare_classes: those of `classes` that AP_rare is the mean of.

    Raises RunError where `classes` are not the ground truth's, or a detection's picture or category is not.
    """
    if tuple(classes) != ground_truth.classes:
        raise RunError(
            "the classes of the model are not those of the ground truth",
            file=ground_truth.path,
            record="categories",
            value=f"{list(ground_truth.classes)} for {list(classes)}",
            hint="judge a model on the layout that it was trained for",
        )
    detections = load_detections(ground_truth, results)
    matches = match(ground_truth, detections)
    threshold = best_score(matches) if score_threshold is None else score_threshold
    precision, recall = arrays(compare(ground_truth, detections))
    lenient, _ = arrays(compare(ground_truth, detections, ious=LENIENT_IOUS))
    kept = detections_by_class(matches, threshold, len(classes))
    return SplitFigures(
        images=len(ground_truth.image_ids),
        boxes=int(ground_truth.support.sum()),
        detections=len(results),
        coco=_twelve(precision, recall),
        AP_25_50_75=mean(lenient),
        AP_rare=_rare_ap(ground_truth, precision[..., _ALL, _BEST_100], rare_classes),
        classes=tuple(
            ClassFigures(
                name=name,
                ground_truths=int(ground_truth.support[label]),
                detections=int(kept[label]),
                AP=mean(precision[:, :, label, _ALL, _BEST_100]),
                AP50=mean(precision[_AT_50, :, label, _ALL, _BEST_100]),
                AR=mean(recall[:, label, _ALL, _BEST_100]),
            )
            for label, name in enumerate(classes)
        ),
        operating_point=operating_point(matches, threshold),
    )


def _rare_ap(
    ground_truth: GroundTruth, precision: NDArray[np.float64], rare_classes: Sequence[str]
) -> float | None:
    """Mean AP of the rare classes that have ground truth, from (10, 101, C, ...); None where none has."""
    rare = [label for label, name in enumerate(ground_truth.classes) if name in rare_classes]
    return mean(precision[:, :, rare])


def _twelve(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> CocoFigures:
    """COCOeval.summarize: means over what is defined, in the same order of adding up."""
    best = precision[..., _BEST_100]  # (10, 101, classes, 4)
    return CocoFigures(
        AP=mean(best[..., _ALL]),
        AP50=mean(best[_AT_50, ..., _ALL]),
        AP75=mean(best[_AT_75, ..., _ALL]),
        AP_small=mean(best[..., _SMALL]),
        AP_medium=mean(best[..., _MEDIUM]),
        AP_large=mean(best[..., _LARGE]),
        AR_1=mean(recall[..., _ALL, _BEST_1]),
        AR_10=mean(recall[..., _ALL, _BEST_10]),
        AR_100=mean(recall[..., _ALL, _BEST_100]),
        AR_small=mean(recall[..., _SMALL, _BEST_100]),
        AR_medium=mean(recall[..., _MEDIUM, _BEST_100]),
        AR_large=mean(recall[..., _LARGE, _BEST_100]),
    )
