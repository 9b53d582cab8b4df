"""pycocotools and torchmetrics on stored predictions: two judges that are not ours."""

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.evaluation import Results
from bench.records import CocoFigures

Figures = dict[str, float | None]

TORCHMETRICS = {
    "AP": "map",
    "AP50": "map_50",
    "AP75": "map_75",
    "AR_1": "mar_1",
    "AR_10": "mar_10",
    "AR_100": "mar_100",
}
"""Our names -> its names, of the figures that do not depend on areas."""

ROUNDING = 1e-6
"""torchmetrics returns single precision."""


def pycocotools(truth: Mapping[str, Any], results: Results) -> Figures:
    """COCO's twelve; None where undefined."""
    with contextlib.redirect_stdout(io.StringIO()):
        known = _coco({**truth, "annotations": [dict(one) for one in truth["annotations"]]})
        found = _coco({**truth, "annotations": _annotations(results)})
        evaluator = COCOeval(known, found, "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return {
        name: None if value == -1 else float(value)
        for name, value in zip(CocoFigures.model_fields, evaluator.stats, strict=True)
    }


def _coco(tree: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = tree
    coco.createIndex()
    return coco


def _annotations(results: Results) -> list[dict[str, Any]]:
    """As pycocotools' `loadRes` makes them, which can't read an empty list."""
    columns = (results.image_ids, results.category_ids, results.boxes_xywh, results.scores)
    return [
        {
            "id": number,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "score": score,
        }
        for number, (image, category, box, score) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True), start=1
        )
    ]


def torchmetrics(truth: Mapping[str, Any], results: Results) -> Figures:
    """The figures of TORCHMETRICS; None where undefined."""
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    # Its own thresholds are rounded to single precision: figures then differ from COCO's by up to 0.002 on
    # ordinary splits, and by any amount where boxes overlap by exactly a threshold.
    metric = MeanAveragePrecision(
        box_format="xywh",
        iou_type="bbox",
        backend="pycocotools",
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
        rec_thresholds=np.linspace(0.0, 1.0, 101).tolist(),
    )
    objects: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in truth["images"]}
    for one in truth["annotations"]:
        objects[one["image_id"]].append(one)
    for image, some in objects.items():
        mine = np.flatnonzero(results.image_ids == image)
        metric.update(
            [
                {
                    "boxes": torch.tensor(results.boxes_xywh[mine]),
                    "scores": torch.tensor(results.scores[mine]),
                    "labels": torch.tensor(results.category_ids[mine]),
                }
            ],
            [
                {
                    "boxes": torch.tensor([one["bbox"] for one in some], dtype=torch.float64).reshape(-1, 4),
                    "labels": torch.tensor([one["category_id"] for one in some], dtype=torch.int64),
                    "iscrowd": torch.tensor([one["iscrowd"] for one in some], dtype=torch.int64),
                    "area": torch.tensor([one["area"] for one in some], dtype=torch.float64),
                }
            ],
        )
    found = metric.compute()
    values = {name: float(found[theirs]) for name, theirs in TORCHMETRICS.items()}
    return {name: None if value == -1 else value for name, value in values.items()}
