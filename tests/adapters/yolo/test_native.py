"""What the report says of ultralytics' own metrics is so."""

import numpy as np
import pytest

from bench.adapters.yolo.native import NATIVE_NOTES
from bench.detector import MAX_DETECTIONS, SCORE_FLOOR

pytestmark = pytest.mark.slow
RECALLS = np.linspace(0, 1, 101)


def curve() -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision after each of 40 detections of 25 objects."""
    found = np.cumsum(np.random.default_rng(0).random(40) < 0.5)
    return found / 25, found / np.arange(1, 41)


def test_its_interpolation_is_trapezoidal_and_lower_than_coco_s() -> None:
    from ultralytics.utils.metrics import compute_ap

    recall, precision = curve()
    native, _, _ = compute_ap(recall.tolist(), precision.tolist())
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS)
    coco = np.append(highest, 0.0)[np.minimum(places, len(recall))].mean()
    lines = np.interp(RECALLS, [0, *recall, recall[-1], 1], [1, *highest, 0, 0])
    assert native == pytest.approx(np.trapezoid(lines, RECALLS)) and native < coco


def test_its_limits() -> None:
    from ultralytics.cfg import get_cfg
    from ultralytics.models.yolo.detect import DetectionValidator

    said = {note.setting: (note.asked, note.used) for note in NATIVE_NOTES}
    limits = DetectionValidator(args={"task": "detect"}).args
    assert said["maximal detections"] == (f"{MAX_DETECTIONS} of an image", f"{get_cfg().max_det} of an image")
    assert said["score floor"] == (f"{SCORE_FLOOR:g}", f"{limits.conf:g}")


def test_precision_and_recall_are_means_over_classes() -> None:
    from ultralytics.utils.metrics import ap_per_class

    hits = np.array([True] * 10 + [False])
    labels = np.array([0] * 10 + [1])
    scores = np.linspace(0.9, 0.8, 11)
    _, _, _, recall, *_ = ap_per_class(
        np.repeat(hits[:, None], 10, 1), scores, labels, np.array([0] * 10 + [1])
    )
    assert recall.mean() == pytest.approx(0.5, abs=0.01)  # 10 of 11 objects together
