"""The two reference judges."""

from typing import Any

import numpy as np
import pytest

from bench.evaluation import Results
from bench.verification.references import ROUNDING, pycocotools, torchmetrics

NOTHING = Results(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))


def truth(crowd: int = 0) -> dict[str, Any]:
    objects = [
        {
            "id": n,
            "image_id": 1 + n % 2,
            "category_id": 1,
            "bbox": [10.0 * n, 5, 9, 9],
            "area": 81.0,
            "iscrowd": 0,
        }
        for n in range(1, 5)
    ]
    for one in objects:
        one["iscrowd"] = crowd if one["id"] == 1 else 0
    return {
        "info": {},
        "images": [{"id": 1}, {"id": 2}, {"id": 3}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": objects,
    }


def found() -> Results:
    """Two of them overlap their object by exactly 0.8, a threshold."""
    boxes = np.array([[10.0, 5, 9, 9], [20, 6, 9, 9], [41, 5, 9, 9], [80, 80, 5, 5]])
    return Results(np.array([2, 1, 1, 3]), np.ones(4, np.int64), boxes, np.array([0.9, 0.8, 0.7, 0.95]))


@pytest.mark.slow
@pytest.mark.parametrize("crowd", [0, 1])
def test_they_agree(crowd: int) -> None:
    ours, theirs = pycocotools(truth(crowd), found()), torchmetrics(truth(crowd), found())
    assert ours["AP"] and 0.1 < ours["AP"] < 0.9
    for name, value in theirs.items():
        assert value == pytest.approx(ours[name], abs=ROUNDING)


@pytest.mark.slow
def test_without_detections() -> None:
    assert pycocotools(truth(), NOTHING)["AP"] == 0 == torchmetrics(truth(), NOTHING)["AP"]


def test_an_undefined_figure_is_none() -> None:
    assert pycocotools(truth(), found())["AP_large"] is None
