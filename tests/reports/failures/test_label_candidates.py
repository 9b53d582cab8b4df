"""Places whose label the models doubt."""

import csv
import io
import json

import numpy as np
import pytest

from bench.evaluation import read_results
from bench.reports.failures.boxes import DetectionBoxes, detection_boxes, ious
from bench.reports.failures.doubtful import on_page
from bench.reports.failures.gallery import gallery
from bench.reports.failures.label_candidates import as_csv, label_candidates

BOX, NEAR, AWAY = [10.0, 10.0, 40.0, 40.0], [13.0, 12.0, 40.0, 40.0], [100.0, 60.0, 40.0, 40.0]


def told(found):
    return [(one.image_id, one.question, one.labelled, one.said, one.models) for one in found]


def test_what_most_models_see_and_the_label_does_not_say(comparison):
    found = label_candidates(
        comparison(
            {
                "a": [(1, 0, BOX, 0.9), (2, 0, BOX, 0.8), (3, 1, BOX, 0.7)],
                "b": [(1, 0, NEAR, 0.7), (3, 1, NEAR, 0.9)],
                "c": [(1, 0, AWAY, 0.9), (2, 1, BOX, 0.8)],
            },
            [(3, 0, BOX, False)],
        )
    )
    assert told(found) == [
        (1, "no object is labelled", "", "bottle", ("a", "b")),
        (3, "another class is labelled", "bottle", "<script>alert(1)</script>", ("b", "a")),
        (3, "no model finds it", "bottle", "", ()),
    ], "one model of three, other classes and other places are no agreement"
    assert found[0].score == pytest.approx(0.8)
    assert found[0].box_xyxy == (10.0, 10.0, 50.0, 50.0), "of the most confident"


def test_below_a_model_s_own_threshold_nothing_counts(comparison):
    low = {"a": [(1, 0, BOX, 0.9)], "b": [(1, 0, BOX, 0.3)]}
    assert label_candidates(comparison(low, [])) == []
    alone = {"a": [(1, 0, BOX, 0.9)]}
    assert label_candidates(comparison(alone, [(2, 0, BOX, False)])) == [], "one model agrees with nobody"


def test_the_csv_has_boxes_of_width_and_height(comparison):
    found = label_candidates(
        comparison({"a": [(1, 0, BOX, 0.9)], "b": [(1, 0, NEAR, 0.5)]}, [(2, 0, AWAY, False)])
    )
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    wanted = ("image_id", "models_say", "models", "score", "x", "y", "width", "height")
    assert [rows[0][key] for key in wanted] == [
        "1", "bottle", "a b", "0.7000", "10.00", "10.00", "40.00", "40.00",
    ]  # fmt: skip
    assert (rows[1]["question"], rows[1]["x"]) == ("no model finds it", "100.00")


def test_the_page_cuts_them_out_of_its_pictures(comparison):
    made = comparison({"a": [(1, 0, BOX, 0.9)], "b": [(1, 0, BOX, 0.5)]}, [])
    shots = gallery(made).shots
    (shown,) = on_page(label_candidates(made), shots)
    assert shots[shown.shot - 1].picture.image_id == 1
    assert (shown.box.left, shown.box.width) == (6.25, 25.0)  # of 160 px
    assert shown.cut.left < shown.box.left and shown.cut.right > shown.box.right


@pytest.mark.parametrize("indent", [None, 2])
def test_single_boxes_are_those_of_the_file(errors, indent):
    found = errors({"a": [(1, 0, BOX, 0.9), (2, 0, AWAY, 0.8), (2, 1, NEAR, 0.4)]}, [(1, 0, BOX, False)])
    (model,) = found.models
    boxes = detection_boxes(model)
    path = boxes._path
    path.write_text(json.dumps(json.loads(path.read_text()), indent=indent))
    read = DetectionBoxes(path, 3)
    whole = read_results(path).boxes_xywh
    assert read._all is None
    assert read.xyxy([2, 0]).tolist() == [[13.0, 12.0, 53.0, 52.0], [10.0, 10.0, 50.0, 50.0]]
    assert DetectionBoxes(path, 99).xyxy([1])[0, :2].tolist() == whole[1, :2].tolist(), "another form"


def test_ious():
    boxes = np.array([[10.0, 10, 50, 50], [30, 10, 70, 50], [60, 60, 70, 70]])
    assert ious(boxes[0], boxes).tolist() == pytest.approx([1.0, 1 / 3, 0.0])
