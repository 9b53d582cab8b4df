"""Kinds of error, on made match tables."""

import numpy as np

from bench.evaluation.operating_point import Candidates
from bench.reports.comparison import compare
from bench.reports.failures.errors import KINDS, split_errors


def kinds(model):
    """Kind by row of the predictions file; None for what is no error."""
    names = {int(row): int(kind) for row, kind in zip(model.table.row, model.kind, strict=True)}
    return [KINDS[names[row]] if names[row] >= 0 else None for row in range(len(names))]


OBJECT = (1, 0, [10, 10, 40, 40], False)


def test_each_kind_by_its_overlaps(errors):
    (model,) = errors(
        {
            "a": [
                (1, 0, [10, 10, 40, 40], 0.9),  # finds it
                (1, 0, [12, 10, 40, 40], 0.8),  # finds it again
                (1, 1, [10, 10, 40, 40], 0.7),  # names it otherwise
                (1, 0, [34, 10, 40, 40], 0.6),  # IoU 0.25
                (1, 0, [100, 70, 20, 20], 0.5),  # nothing there
                (1, 0, [46, 10, 40, 40], 0.4),  # IoU 0.05
            ]
        },
        [OBJECT],
    ).models
    assert kinds(model) == [None, "duplicate", "class", "location", "background", "background"]
    assert [model.count(kind) for kind in range(5)] == [0, 1, 1, 1, 2]


def test_a_crowd_is_neither_missed_nor_wrong_to_find(errors):
    (model,) = errors({"a": [(1, 0, [10, 10, 20, 20], 0.9)]}, [(1, 0, [0, 0, 100, 100], True)]).models
    assert kinds(model) == [None]
    assert [model.count(kind) for kind in range(5)] == [0] * 5


def test_an_object_found_below_the_threshold_is_missed(errors):
    (model,) = errors({"a": [(1, 0, [10, 10, 40, 40], 0.30)]}, [OBJECT]).models
    assert model.missed.tolist() == [True] and model.found_score.tolist() == [0.30]
    (model,) = errors({"a": [(1, 0, [10, 10, 40, 40], 0.31)]}, [OBJECT]).models
    assert model.missed.tolist() == [False]
    assert model.by_image(0).tolist() == [0, 0, 0, 0]


def test_who_finds_what_the_others_miss(errors):
    here = [(1, 0, [0, 0, 20, 20], False), (1, 0, [40, 0, 20, 20], False), (2, 0, [80, 0, 20, 20], False)]
    found = errors(
        {
            "a": [(1, 0, [0, 0, 20, 20], 0.9), (1, 0, [40, 0, 20, 20], 0.9)],
            "b": [(1, 0, [0, 0, 20, 20], 0.9)],
        },
        here,
    )
    assert found.found_by_all.tolist() == [True, False, False]
    assert found.found_by_one.tolist() == [False, True, False]
    assert found.missed_by_all.tolist() == [False, False, True]
    a, b = found.models
    assert (a.contestant.label, found.found_alone(a).tolist()) == ("a", [False, True, False])
    assert not found.found_alone(b).any()
    assert a.by_image(0).tolist() == [0, 1, 0, 0] and b.by_image(0).tolist() == [1, 1, 0, 0]


def test_counts_agree_with_the_operating_point(errors):
    """TP + FP are the detections shown, FN the objects missed."""
    chance = np.random.default_rng(0)
    annotations = [
        (int(image), int(label), [float(x), 10.0, 30.0, 30.0], False)
        for image, label, x in zip(
            chance.integers(1, 5, 30), chance.integers(0, 3, 30), chance.uniform(0, 100, 30), strict=True
        )
    ]
    detections = [
        (
            image,
            int(chance.integers(0, 3)),
            [x + chance.uniform(-9, 9), y, w, h],
            float(chance.uniform(0.1, 1)),
        )
        for image, _, (x, y, w, h), _ in annotations * 3
    ]
    (model,) = errors({"a": detections}, annotations).models
    point = Candidates.of(model.table).operating_point(model.threshold)
    assert point.false_negatives == model.count(0)
    assert point.false_positives == sum(model.count(kind) for kind in range(1, 5))
    assert point.true_positives == int((model.shown & (model.kind == -1)).sum())


def test_predictions_that_do_not_fit_the_ground_truth_are_left_out(errors):
    found = errors({"a": [(1, 98, [1, 1, 9, 9], 0.9)], "b": []}, [OBJECT])
    assert [model.contestant.label for model in found.models] == ["b"]


def test_a_model_without_predictions_has_no_errors(make_run):
    run = make_run(without=("cells/yolo-n-s0/predictions_test.json",))
    found = split_errors(compare([run])[0])
    assert [model.contestant.label for model in found.models] == ["frcnn", "detr"]
    bare = make_run("bare", without=("ground_truth/test.json",))
    assert split_errors(compare([bare])[0]) is None
