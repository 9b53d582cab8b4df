import json
import re

import pytest

from bench.reports.comparison import compare
from bench.reports.gallery import MOST_SHOWN, gallery
from bench.reports.page import render


@pytest.fixture
def shots(make_run):
    (comparison,) = compare([make_run()])
    return gallery(comparison).shots


def test_every_sample_has_a_panel_for_every_finished_model(shots):
    assert len(shots) == 4
    for shot in shots:
        assert [panel.contestant.label for panel in shot.panels] == ["yolo-n", "frcnn", "detr"]
        assert shot.data_uri.startswith("data:image/jpeg;base64,")
    assert [shot.objects for shot in shots] == [2, 3, 4, 0]


def test_boxes_are_percents_of_the_picture_and_the_best_are_drawn_last(shots):
    panel = shots[0].panels[0]
    for box in panel.boxes:
        assert 0 <= box.left <= box.left + box.width <= 100
        assert 0 <= box.top <= box.top + box.height <= 100
        assert box.shown == (box.score >= panel.threshold)
    assert [box.score for box in panel.boxes] == sorted(box.score for box in panel.boxes)
    assert panel.found == sum(box.score >= panel.threshold for box in panel.boxes)


def test_the_tail_of_low_scores_stays_out(make_run):
    run = make_run()
    path = run.cell("detr-s0").predictions_path("test")

    def kept(*scores):
        boxes = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": score} for score in scores]
        path.write_text(json.dumps(boxes), encoding="utf-8")
        panels = gallery(compare([run])[0]).shots[0].panels
        return [box.score for panel in panels if panel.contestant.label == "detr" for box in panel.boxes]

    assert kept(0.05, 0.2, 0.049, 0.9) == [0.05, 0.2, 0.9]
    assert kept(*([0.9] * (MOST_SHOWN + 5)), 0.4) == [0.9] * MOST_SHOWN


def test_the_floor_follows_a_model_whose_own_threshold_is_lower(make_run, make_record):
    test = make_record("detr", 0, 0.5).test
    point = test.operating_point.model_copy(update={"score_threshold": 0.02})
    run = make_run(
        records=[make_record("detr", 0, 0.5, test=test.model_copy(update={"operating_point": point}))]
    )
    boxes = [
        {"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": score}
        for score in (0.01, 0.02, 0.03)
    ]
    run.cell("detr-s0").predictions_path("test").write_text(json.dumps(boxes), encoding="utf-8")
    (panel,) = gallery(compare([run])[0]).shots[0].panels
    assert [box.score for box in panel.boxes] == [0.02, 0.03]


def test_the_tally_counts_what_is_right_wrong_and_missed(make_run, make_record):
    run = make_run(records=[make_record("detr", 0, 0.5)])
    truth = json.loads(run.ground_truth_path("test").read_text())["annotations"]
    first, second, third, *_ = [box for box in truth if box["image_id"] == 2]
    boxes = [
        {"image_id": 2, "category_id": first["category_id"], "bbox": first["bbox"], "score": 0.9},
        {"image_id": 2, "category_id": first["category_id"], "bbox": first["bbox"], "score": 0.8},  # twice
        {"image_id": 2, "category_id": second["category_id"], "bbox": second["bbox"], "score": 0.31},
        {"image_id": 2, "category_id": third["category_id"], "bbox": third["bbox"], "score": 0.30},  # below
    ]
    run.cell("detr-s0").predictions_path("test").write_text(json.dumps(boxes), encoding="utf-8")
    page = render(compare([run]))
    tallies = re.findall(r'data-objects="(\d+)".*?class="tally">(.*?)</span>', page, re.S)
    assert tallies[1] == ("3", "≥ 0.31: 2 right, 1 wrong, 1 missed")
    assert tallies[3] == ("0", "≥ 0.31: 0 right, 0 wrong, 0 missed")


def test_the_page_does_not_grow_beyond_its_budget(make_run):
    (comparison,) = compare([make_run()])
    found = gallery(comparison, budget=1)
    assert (len(found.shots), found.left_out) == (1, 3)


def test_missing_predictions_are_said_and_missing_samples_leave_it_empty(make_run):
    bare = make_run("bare", without=("samples/samples.json",))
    assert gallery(compare([bare])[0]).shots == ()
    silent = make_run("silent", without=("cells/yolo-n-s0/predictions_test.json",))
    panel = gallery(compare([silent])[0]).shots[0].panels[0]
    assert (panel.readable, panel.boxes) == (False, ())


def test_pictures_outside_the_run_are_not_taken(make_run):
    run = make_run()
    path = run.samples_dir / "samples.json"
    samples = json.loads(path.read_text(encoding="utf-8"))
    (run.root / "secret.jpg").write_bytes((run.samples_dir / "1.jpg").read_bytes())
    samples[0]["image"] = "../secret.jpg"
    path.write_text(json.dumps(samples), encoding="utf-8")
    found = gallery(compare([run])[0])
    assert (len(found.shots), found.left_out) == (3, 1)


def test_boxes_are_right_or_wrong_as_the_judge_says(make_run):
    """Found, found again, of another class, and beside an object."""
    run = make_run()
    truth = json.loads(run.ground_truth_path("test").read_text(encoding="utf-8"))
    one = next(box for box in truth["annotations"] if box["image_id"] == 1)
    x, y, w, h = one["bbox"]
    other = one["category_id"] % 5 + 1
    made = [(one["category_id"], 0.0, 0.9), (one["category_id"], 0.0, 0.8), (other, 0.0, 0.7)]
    made.append((one["category_id"], 0.6 * w, 0.6))
    run.cell("detr-s0").predictions_path("test").write_text(
        json.dumps(
            [
                {"image_id": 1, "category_id": category, "bbox": [x + shift, y, w, h], "score": score}
                for category, shift, score in made
            ]
        ),
        encoding="utf-8",
    )
    (comparison,) = compare([run])
    panel = next(p for p in gallery(comparison).shots[0].panels if p.contestant.label == "detr")
    assert [(box.score, box.right) for box in panel.boxes] == [
        (0.6, False),
        (0.7, False),
        (0.8, False),
        (0.9, True),
    ]


def test_predictions_that_do_not_fit_the_ground_truth_are_not_drawn(make_run):
    run = make_run()
    path = run.cell("detr-s0").predictions_path("test")
    path.write_text(
        json.dumps([{"image_id": 1, "category_id": 99, "bbox": [1, 1, 9, 9], "score": 0.9}]), encoding="utf-8"
    )
    (comparison,) = compare([run])
    panel = next(p for p in gallery(comparison).shots[0].panels if p.contestant.label == "detr")
    assert (panel.readable, panel.boxes) == (False, ())


def test_the_pictures_show_the_training_that_is_ranked(make_run, make_final):
    run = make_run(records=[make_final("detr", 0, 0.5, 0.6)])
    final = run.cell("detr-s0").final
    final.root.mkdir()
    only = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.875}]
    final.predictions_path("test").write_text(json.dumps(only), encoding="utf-8")
    (comparison,) = compare([run])
    assert [box.score for box in gallery(comparison).shots[0].panels[0].boxes] == [0.875]
