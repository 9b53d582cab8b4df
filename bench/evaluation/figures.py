"""The verdict on one split, from its match table: COCO's twelve, those by class, those at a threshold."""

import math
from collections.abc import Sequence

import numpy as np

from bench.evaluation.matches import MatchTable
from bench.evaluation.operating_point import Candidates
from bench.evaluation.weighted import WeightedFigures
from bench.records import ClassFigures, CocoFigures, SplitFigures


def split_figures(
    table: MatchTable, score_threshold: float | None, rare_classes: Sequence[str] = ()
) -> SplitFigures:
    """The verdict on one split.

    Args:
        score_threshold: val's best, for val and for test; None: none was chosen, so no operating point.
        rare_classes: the classes that AP_rare is the mean of.
    """
    candidates = Candidates.of(table)
    values = WeightedFigures(table, rare_classes=rare_classes).figures(np.ones(table.images, dtype=np.int64))
    found = {name: None if math.isnan(value) else value for name, value in values.items()}
    lowest = -math.inf if score_threshold is None else score_threshold
    kept = candidates.detections_by_class(lowest, len(table.classes))
    return SplitFigures(
        images=table.images,
        boxes=int(table.support.sum()),
        detections=len(table),
        coco=CocoFigures(**{name: found[name] for name in CocoFigures.model_fields}),
        AP_25_50_75=found["AP_25_50_75"],
        AP_rare=found["AP_rare"],
        classes=tuple(
            ClassFigures(
                name=name,
                ground_truths=int(table.support[label]),
                detections=int(kept[label]),
                AP=found[f"AP/{name}"],
                AP50=found[f"AP50/{name}"],
                AR=found[f"AR/{name}"],
            )
            for label, name in enumerate(table.classes)
        ),
        operating_point=None if score_threshold is None else candidates.operating_point(score_threshold),
    )


QUICK = ("AP", "AP50", "AP75", "AR_100", "AP_rare")
"""The figures that a training may watch (`Recipe.monitor`)."""


def quick_figures(table: MatchTable, rare_classes: Sequence[str] = ()) -> dict[str, float]:
    """QUICK, equal to those of `split_figures`. An undefined figure is 0.0; AP_rare is left out then."""
    weighted = WeightedFigures(table, rare_classes=rare_classes, sizes=False)
    values = weighted.figures(np.ones(table.images, dtype=np.int64))
    defined = {name: 0.0 if math.isnan(values[name]) else values[name] for name in QUICK}
    if math.isnan(values["AP_rare"]):
        del defined["AP_rare"]
    return defined
