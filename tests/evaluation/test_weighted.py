"""Figures with weights are those that pycocotools gives for a dataset in which images are really copied."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.evaluation import WeightedFigures, match
from bench.evaluation.curves import RECALLS, _needed
from bench.evaluation.figures import split_figures
from bench.records import CocoFigures

THOROUGH = settings(max_examples=40, deadline=None)
TWELVE = tuple(CocoFigures.model_fields)


def copied(scene: Any, weights: Sequence[int]) -> Any:
    """Each image so many times, with its objects and detections; copies are next to each other by id."""
    coco, found = scene
    ids = sorted(image["id"] for image in coco["images"])
    step = max(weights) + 1
    times = {
        old: [old * step + copy for copy in range(weight)] for old, weight in zip(ids, weights, strict=True)
    }
    boxes = [one | {"image_id": new} for one in coco["annotations"] for new in times[one["image_id"]]]
    return {
        "images": [one | {"id": new} for one in coco["images"] for new in times[one["id"]]],
        "categories": coco["categories"],
        "annotations": [one | {"id": number} for number, one in enumerate(boxes, start=1)],
    }, [one | {"image_id": new} for one in found for new in times[one["image_id"]]]


def defined(value: float) -> float | None:
    return None if math.isnan(value) else value


@pytest.mark.slow
@THOROUGH
@given(data=st.data())
def test_weights_are_copies(data: Any, scenes: Any, judged: Any, referee: Any) -> None:
    scene = data.draw(scenes)
    truth, results = judged(scene)
    images = len(truth.image_ids)
    weights = data.draw(st.lists(st.integers(0, 4), min_size=images, max_size=images).filter(any))
    rare = data.draw(st.lists(st.sampled_from(truth.classes), unique=True))
    weighted = WeightedFigures(match(truth, results), rare_classes=rare, score_threshold=0.25)
    figures = {name: defined(value) for name, value in weighted.figures(np.array(weights)).items()}
    drawn = weighted.batch(np.array([weights]))[0]
    np.testing.assert_allclose(
        drawn, list(weighted.figures(np.array(weights)).values()), rtol=1e-12, atol=1e-14
    )
    other = copied(scene, weights)
    asked = referee(other)
    assert [figures[name] for name in TWELVE] == asked.twelve()
    for index, name in enumerate(truth.classes):
        assert figures[f"AP/{name}"] == asked.mean_ap(index)
        assert figures[f"AP50/{name}"] == asked.mean_ap(index, iou_index=0)
        assert figures[f"AR/{name}"] == asked.mean_ar(index)
    assert figures["AP_25_50_75"] == referee(other, ious=[0.25, 0.5, 0.75]).mean_ap()
    truth, results = judged(other)
    mine = split_figures(match(truth, results), 0.25, rare)
    point = mine.operating_point
    assert figures["AP_rare"] == mine.AP_rare
    assert (figures["precision"], figures["recall"], figures["f1"]) == (
        point.precision,
        point.recall,
        point.f1,
    )


def test_the_objects_needed_for_a_recall_are_those_of_pycocotools_comparison() -> None:
    """For every number of objects: rounding differs between recall x objects and found / objects."""
    for objects in range(1, 400):
        first = np.searchsorted(np.arange(1, objects + 1) / objects, RECALLS, side="left")
        assert _needed(np.array([[objects]]))[0, 0].tolist() == (first + 1).tolist()


def test_copies_of_equal_scores_alternate(judged: Any, scene_of: Any, referee: Any) -> None:
    """A hit and a false alarm of equal score in one image: three copies are hit, false, hit, false, ..."""
    box, nowhere = (0, 0, 10, 10), (50, 50, 10, 10)
    scene = scene_of([(0, 0, box, 0), (1, 0, box, 0)], [(0, 0, box, 0.5), (0, 0, nowhere, 0.5)], 2, 1)
    weighted = WeightedFigures(match(*judged(scene)))
    for weights in ([3, 1], [1, 1], [5, 2], [3, 1]):
        found = weighted.figures(np.array(weights))["AP"]
        assert found == referee(copied(scene, weights)).mean_ap()
    assert weighted.figures(np.array([3, 1]))["AP"] != weighted.figures(np.array([1, 1]))["AP"]


def test_draws_are_independent_of_each_other_and_of_threads(
    judged: Any, crowded_scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = match(*judged(crowded_scene))
    weights = np.random.default_rng(0).multinomial(20, [0.05] * 20, size=40)
    weighted = WeightedFigures(table, score_threshold=0.5)
    together = weighted.batch(weights, threads=1)
    assert np.array_equal(weighted.batch(weights[7:8]), together[7:8], equal_nan=True)
    assert len(np.unique(together[:, 0])) == 40
    monkeypatch.setattr("bench.evaluation.weighted._CELLS_AT_ONCE", 1000)
    assert np.array_equal(weighted.batch(weights, threads=3), together, equal_nan=True)


def test_a_draw_of_a_batch_has_the_exact_figures_but_for_rounding(judged: Any, crowded_scene: Any) -> None:
    """Of supports that are multiples of each other, where recalls are often met to the last digit, too."""
    table = match(*judged(crowded_scene))
    chance = np.random.default_rng(0)
    weights = np.concatenate(
        [chance.multinomial(20, [0.05] * 20, size=20), np.tile([[1], [2], [5], [25]], 20), np.zeros((1, 20))]
    ).astype(int)
    weighted = WeightedFigures(table, rare_classes=table.classes[1:], score_threshold=0.5)
    exact = np.array([list(weighted.figures(row).values()) for row in weights])
    np.testing.assert_allclose(weighted.batch(weights), exact, rtol=1e-12, atol=1e-14)
    assert np.isnan(exact[-1]).all() and not np.isnan(exact[0]).any()


def test_figures_by_size_may_be_left_out(judged: Any, crowded_scene: Any) -> None:
    table = match(*judged(crowded_scene))
    ones = np.ones(20, dtype=int)
    whole, part = WeightedFigures(table).figures(ones), WeightedFigures(table, sizes=False).figures(ones)
    assert {name: whole[name] for name in part} == pytest.approx(part, abs=0, nan_ok=True)
    assert set(whole) - set(part) == {
        f"{kind}_{size}" for kind in ("AP", "AR") for size in ("small", "medium", "large")
    }


@pytest.mark.parametrize("weights", [[[1, 1]], [1], [[1, -1, 1]]])
def test_weights_that_fit_no_image_are_refused(judged: Any, scene_of: Any, weights: Any) -> None:
    weighted = WeightedFigures(match(*judged(scene_of([], [], 3, 1))))
    with pytest.raises(ValueError, match="weights should"):
        weighted.batch(np.array(weights))


def test_no_draw_gives_no_row(judged: Any, one_box_scene: Any) -> None:
    weighted = WeightedFigures(match(*judged(one_box_scene)))
    assert weighted.batch(np.zeros((0, 1), dtype=int)).shape == (0, len(weighted.names))
    assert all(math.isnan(value) for value in weighted.figures(np.zeros(1, dtype=int)).values())
