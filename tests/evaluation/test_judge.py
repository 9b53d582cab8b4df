"""The judge says what pycocotools says."""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.boxes import xywh_to_xyxy
from bench.detector import Detections
from bench.errors import RunError
from bench.evaluation import GroundTruth, Judge, Results, best_threshold, match
from bench.evaluation import judge as judge_module
from bench.evaluation.figures import split_figures
from bench.evaluation.matches import COCO_IOUS
from bench.records import SplitFigures

THOROUGH = settings(max_examples=80, deadline=None)


def verdict(
    truth: GroundTruth, results: Results, threshold: float | None = None, rare: Sequence[str] = ()
) -> SplitFigures:
    table = match(truth, results)
    return split_figures(table, best_threshold(table) if threshold is None else threshold, rare)


def judge_of(truth: GroundTruth, rare: Sequence[str] = ()) -> Judge:
    return Judge(truth.classes, {"val": truth.path}, rare)


@pytest.mark.slow
@THOROUGH
@given(data=st.data())
def test_the_figures_are_those_of_pycocotools(data: Any, scenes: Any, judged: Any, referee: Any) -> None:
    scene = data.draw(scenes)
    truth, results = judged(scene)
    figures = verdict(truth, results)
    asked = referee(scene)
    for (name, mine), theirs in zip(figures.coco, asked.twelve(), strict=True):
        assert mine == theirs, f"{name}: {mine} is not {theirs}"
    for index, one in enumerate(figures.classes):
        assert asked.mean_ap(index) == one.AP
        assert asked.mean_ap(index, iou_index=0) == one.AP50
        assert asked.mean_ar(index) == one.AR
    assert referee(scene, ious=[0.25, 0.5, 0.75]).mean_ap() == figures.AP_25_50_75


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_quick_figures_are_those_of_the_verdict(data: Any, scenes: Any, judged: Any) -> None:
    truth, results = judged(data.draw(scenes))
    rare = data.draw(st.lists(st.sampled_from(truth.classes), unique=True))
    figures = verdict(truth, results, rare=rare)
    boxes_xyxy = xywh_to_xyxy(results.boxes_xywh)
    found = [
        Detections(boxes_xyxy[mine], results.scores[mine], results.category_ids[mine] - 1)
        for image_id in truth.file_image_ids
        for mine in [results.image_ids == image_id]
    ]
    expected = {name: getattr(figures.coco, name) or 0.0 for name in ("AP", "AP50", "AP75", "AR_100")}
    assert judge_of(truth).score(found) == expected
    if figures.AP_rare is not None:
        expected["AP_rare"] = figures.AP_rare
    assert judge_of(truth, rare).score(found) == expected


@pytest.mark.slow
@THOROUGH
@given(data=st.data())
def test_ap_rare_is_the_referee_s_mean_over_the_rare_classes(
    data: Any, scenes: Any, judged: Any, referee: Any
) -> None:
    scene = data.draw(scenes)
    truth, results = judged(scene)
    rare = data.draw(st.lists(st.sampled_from(truth.classes), unique=True))
    asked = referee(scene)
    by_class = [asked.mean_ap(truth.classes.index(name)) for name in rare]
    known = [ap for ap in by_class if ap is not None]
    found = verdict(truth, results, rare=rare)
    assert found.AP_rare == (pytest.approx(sum(known) / len(known), abs=1e-12) if known else None)
    assert found.model_copy(update={"AP_rare": None}) == verdict(truth, results)


@THOROUGH
@given(data=st.data())
def test_the_counts_fit_together(data: Any, scenes: Any, judged: Any) -> None:
    scene = data.draw(scenes)
    truth, results = judged(scene)
    figures = verdict(truth, results)
    point = figures.operating_point
    assert figures.images == len(scene[0]["images"])
    assert figures.detections == len(scene[1])
    assert figures.boxes == sum(not one["iscrowd"] for one in scene[0]["annotations"])
    assert figures.boxes == sum(one.ground_truths for one in figures.classes)
    assert figures.boxes == point.true_positives + point.false_negatives
    assert sum(one.detections for one in figures.classes) == point.true_positives + point.false_positives


def test_the_limits_of_detections_are_pycocotools_own(judged: Any, scene_of: Any, referee: Any) -> None:
    """Twelve objects side by side, each found exactly: AR_1 is 1/12, AR_10 is 10/12."""
    boxes = [(0, 0, (7 * n, 0, 5, 5), 0) for n in range(12)]
    scene = scene_of(boxes, [(*box[:3], 1 - n / 100) for n, box in enumerate(boxes)], 1, 1)
    figures = verdict(*judged(scene)).coco
    assert list(figures.model_dump().values()) == referee(scene).twelve()
    assert figures.AR_10 is not None and math.isclose(figures.AR_10, 10 / 12)


def test_the_ious_are_pycocotools_own(referee: Any, empty_scene: Any) -> None:
    assert list(COCO_IOUS) == referee(empty_scene).evaluator.params.iouThrs.tolist()


def test_nothing_there_and_nothing_found_is_undefined(judged: Any, empty_scene: Any) -> None:
    truth, results = judged(empty_scene)
    figures = verdict(truth, results)
    assert set(figures.coco.model_dump().values()) == {None}
    assert figures.AP_25_50_75 is None
    assert [(one.AP, one.AR, one.ground_truths) for one in figures.classes] == [(None, None, 0)]
    assert judge_of(truth).score([Detections.none()]) == {"AP": 0.0, "AP50": 0.0, "AP75": 0.0, "AR_100": 0.0}


def test_a_perfect_detector_scores_one(judged: Any, one_box_scene: Any) -> None:
    truth, results = judged(one_box_scene)
    figures = verdict(truth, results)
    assert figures.coco.AP is not None and math.isclose(
        figures.coco.AP, 1.0
    )  # COCO adds 2e-16 to every denominator
    assert figures.AP_25_50_75 is not None and math.isclose(figures.AP_25_50_75, 1.0)
    assert figures.coco.AR_1 == 1.0


def test_classes_of_another_layout_are_refused(judged: Any, one_box_scene: Any) -> None:
    truth, results = judged(one_box_scene)
    with pytest.raises(RunError, match="classes of the model") as caught:
        Judge(("cat",), {"val": truth.path}).match("val", results)
    assert caught.value.file == truth.path


@pytest.mark.parametrize(("key", "what"), [("image_id", "picture"), ("category_id", "category")])
def test_a_detection_of_nothing_known_is_refused(
    judged: Any, one_box_scene: Any, key: str, what: str
) -> None:
    coco, (found,) = one_box_scene
    truth, results = judged((coco, [found, {**found, key: 99}]))
    with pytest.raises(RunError, match=f"no such {what}") as caught:
        verdict(truth, results)
    assert caught.value.file == results.path
    assert str(caught.value.record).startswith("detection 1 ")


def test_one_detections_a_picture_is_demanded(judged: Any, one_box_scene: Any) -> None:
    truth, _ = judged(one_box_scene)
    with pytest.raises(RunError, match="detections for 2 pictures where there are 1"):
        judge_of(truth).score([Detections.none(), Detections.none()])


def test_the_ground_truth_is_read_when_it_is_needed_and_once(
    judged: Any, one_box_scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, results = judged(one_box_scene)
    read: list[Path] = []
    monkeypatch.setattr(judge_module, "load_ground_truth", lambda path: read.append(path) or truth)
    judge = judge_of(truth)
    assert read == []
    assert judge.match("val", results).images == 1 and judge.score([Detections.none()])["AP"] == 0.0
    assert read == [truth.path]


def test_the_judge_prints_nothing(judged: Any, one_box_scene: Any, capfd: pytest.CaptureFixture[str]) -> None:
    truth, results = judged(one_box_scene)
    verdict(truth, results)
    judge_of(truth).score([Detections.none()])
    assert capfd.readouterr() == ("", "")


def test_importing_the_judge_imports_no_framework() -> None:
    program = "import sys, bench.evaluation; print({'torch', 'pandas', 'pycocotools'} & {*sys.modules})"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


@pytest.mark.data
def test_real_boxes_are_judged_as_pycocotools_judges_them(real_data: Path, judged: Any, referee: Any) -> None:
    """TACO's boxes, moved at random by some pixels, in their picture's and sometimes in another class."""
    coco = json.loads((real_data / "taco_416" / "annotations.json").read_text())
    for key, name in (
        ("images", "id"),
        ("categories", "id"),
        ("annotations", "image_id"),
        ("annotations", "category_id"),
    ):
        for record in coco[key]:
            record[name] += 1
    rng = np.random.default_rng(0)
    found = [
        {
            "image_id": box["image_id"],
            "category_id": box["category_id"] if rng.random() < 0.8 else int(rng.integers(1, 61)),
            "bbox": [max(0.0, round(side + rng.normal(0, 8), 3)) for side in box["bbox"]],
            "score": round(float(rng.random()), 6),
        }
        for box in coco["annotations"] * 4
    ]
    truth, results = judged((coco, found))
    figures = verdict(truth, results)
    asked = referee((coco, found))
    assert all(mine == theirs for (_, mine), theirs in zip(figures.coco, asked.twelve(), strict=True))
    assert all(asked.mean_ap(index) == one.AP for index, one in enumerate(figures.classes))
    assert 0.05 < (figures.coco.AP or 0) < 0.95


@pytest.mark.slow
def test_torchmetrics_agrees_as_far_as_it_agrees_with_coco(judged: Any, crowded_scene: Any) -> None:
    """It differs from COCO in the fourth decimal, with either backend: its arithmetic is single precision."""
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    coco, found = crowded_scene
    truth, results = judged(crowded_scene)
    metric = MeanAveragePrecision(box_format="xywh", backend="pycocotools")
    for image in coco["images"]:
        boxes = [one for one in coco["annotations"] if one["image_id"] == image["id"]]
        mine = [one for one in found if one["image_id"] == image["id"]]
        metric.update([_tensors(torch, mine)], [_tensors(torch, boxes)])
    theirs = metric.compute()
    figures = verdict(truth, results).coco
    assert math.isclose(figures.AP or 0, theirs["map"].item(), abs_tol=5e-4)
    assert math.isclose(figures.AP50 or 0, theirs["map_50"].item(), abs_tol=5e-4)
    assert math.isclose(figures.AR_100 or 0, theirs["mar_100"].item(), abs_tol=5e-4)


def _tensors(torch: Any, records: list[dict[str, Any]]) -> dict[str, Any]:
    tensors = {
        "boxes": torch.tensor([one["bbox"] for one in records], dtype=torch.float64).reshape(-1, 4),
        "labels": torch.tensor([one["category_id"] for one in records], dtype=torch.int64),
    }
    if records and "score" in records[0]:
        tensors["scores"] = torch.tensor([one["score"] for one in records])
    return tensors
