"""What the page draws of the chosen pictures."""

import json
import re

import pytest
from PIL import Image

from bench.reports import keep_samples
from bench.reports.comparison import compare
from bench.reports.failures.gallery import MOST_SHOWN, gallery
from bench.reports.page import render

OBJECT = (1, 0, [40, 40, 40, 40], False)


def marks(shot, model, kind):
    (panel,) = (panel for panel in shot.panels if panel.contestant.label == model)
    return [mark for mark in panel.marks if mark.kind == kind]


def shot_of(comparison, image_id):
    (shot,) = (shot for shot in gallery(comparison).shots if shot.picture.image_id == image_id)
    return shot


def test_every_picture_has_a_panel_for_every_model(make_run):
    (comparison,) = compare([make_run()])
    found = gallery(comparison)
    assert (found.images, found.left_out, len(found.shots)) == (4, 0, 4)
    for shot in found.shots:
        assert [panel.contestant.label for panel in shot.panels] == ["yolo-n", "frcnn", "detr"]
        assert shot.picture.data_uri.startswith("data:image/jpeg;base64,")
    assert sorted(shot.objects for shot in found.shots) == [0, 2, 3, 4]


def test_boxes_are_percents_and_a_missed_object_is_drawn_where_it_is(comparison):
    found = comparison({"a": [], "b": [(1, 0, [40, 40, 40, 40], 0.9)]}, [OBJECT])
    shot = shot_of(found, 1)
    (missed,) = marks(shot, "a", "missed")
    assert (missed.rect.left, missed.rect.top, missed.rect.width, missed.rect.height) == (
        25,
        33.33,
        25,
        33.33,
    )
    assert (missed.shown, missed.by_all, missed.only) == (True, False, 1), "b, the second model, found it"
    (correct,) = marks(shot, "b", "correct")
    assert (correct.rect.left, correct.text) == (25, "bottle 0.90")
    (hidden,) = marks(shot, "b", "missed")
    assert (hidden.shown, hidden.score) == (False, 0.9), "missed from a threshold over 0.9 on"


def test_an_object_that_nobody_finds_is_flagged(comparison):
    shot = shot_of(comparison({"a": [], "b": []}, [OBJECT]), 1)
    assert [mark.by_all for model in "ab" for mark in marks(shot, model, "missed")] == [True, True]


def test_the_floor_of_scores_is_a_twentieth_or_the_model_s_own_threshold(comparison, make_run, make_record):
    def kept(of):
        return sorted(m.score for p in shot_of(of, 1).panels for m in p.marks if m.is_detection)

    detections = [(1, 0, [1, 1, 9, 9], score) for score in (0.05, 0.2, 0.049, 0.9)]
    assert kept(comparison({"a": detections}, [OBJECT])) == [0.05, 0.2, 0.9]
    test = make_record("detr", 0, 0.5).test
    point = test.operating_point.model_copy(update={"score_threshold": 0.02})
    run = make_run(
        records=[make_record("detr", 0, 0.5, test=test.model_copy(update={"operating_point": point}))]
    )
    boxes = [
        {"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": score}
        for score in (0.01, 0.02, 0.03)
    ]
    run.cell("detr-s0").predictions_path("test").write_text(json.dumps(boxes))
    assert kept(compare([run])[0]) == [0.02, 0.03]


def test_only_the_best_detections_of_a_picture_are_kept(comparison):
    many = [(1, k % 5, [1, 1, 9, 9], round(0.4 + k / 1000, 3)) for k in range(MOST_SHOWN + 5)]
    found = [
        m for p in shot_of(comparison({"a": many}, [OBJECT]), 1).panels for m in p.marks if m.is_detection
    ]
    assert len(found) == MOST_SHOWN and min(mark.score for mark in found) == 0.405


def test_the_tally_counts_what_is_right_wrong_and_missed(comparison):
    found = comparison(
        {
            "a": [
                (2, 0, [0, 0, 40, 40], 0.9),
                (2, 0, [0, 0, 40, 40], 0.8),  # again
                (2, 0, [0, 0, 40, 40], 0.7),
                (2, 1, [60, 0, 40, 40], 0.31),
                (2, 2, [100, 60, 40, 40], 0.30),  # below the threshold
            ]
        },
        [(2, 0, [0, 0, 40, 40], False), (2, 1, [60, 0, 40, 40], False), (2, 2, [100, 60, 40, 40], False)],
    )
    page = render([found])
    tallies = re.findall(r'class="tally">(.*?)</span>', page)
    assert "≥ 0.31: 2 right, 2 wrong, 1 missed" in tallies
    assert shot_of(found, 2).errors == 3
    assert shot_of(found, 2).highest_alarm == 0.9


def test_settings_say_how_many_pictures_and_how_large(comparison):
    annotations = [(image, 0, [0, 0, 40, 40], False) for image in (1, 2, 3, 4)]
    assert len(gallery(comparison({"a": []}, annotations, report={"pictures": 2})).shots) == 2
    assert gallery(comparison({"a": []}, annotations, report={"pictures": 0})).shots == ()
    small = gallery(comparison({"a": []}, annotations, report={"megabytes": 1e-6}))
    assert (len(small.shots), small.left_out) == (1, 3), "the first is always kept"


def test_missing_predictions_are_said(make_run):
    run = make_run(without=("cells/yolo-n-s0/predictions_test.json",))
    assert "No stored predictions that fit the ground truth: yolo-n." in render(compare([run]))


def test_files_outside_the_run_are_not_taken(make_run):
    run = make_run()
    path = run.samples_dir / "samples.json"
    samples = json.loads(path.read_text(encoding="utf-8"))
    (run.root / "secret.jpg").write_bytes((run.samples_dir / "1.jpg").read_bytes())
    samples[0]["image"] = "../secret.jpg"
    path.write_text(json.dumps(samples), encoding="utf-8")
    found = gallery(compare([run])[0])
    assert (len(found.shots), found.left_out) == (3, 1)


def test_the_pictures_show_the_training_that_is_ranked(make_run, make_final):
    run = make_run(records=[make_final("detr", 0, 0.5, 0.6)])
    final = run.cell("detr-s0").final
    final.root.mkdir()
    only = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.875}]
    final.predictions_path("test").write_text(json.dumps(only), encoding="utf-8")
    (comparison,) = compare([run])
    assert [m.score for m in shot_of(comparison, 1).panels[0].marks if m.is_detection] == [0.875]


@pytest.fixture
def written(make_run, tmp_path):
    """A run whose written dataset is there and which has kept no picture."""
    run = make_run(without=("samples/samples.json",))
    truth = json.loads(run.ground_truth_path("test").read_text())
    layout = tmp_path / "layout"
    for image in truth["images"]:
        image["file_name"] = f"{image['id']}.png"
        path = layout / "images" / "test" / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1600, 1200), (200, 10 * image["id"], 0)).save(path)
    run.ground_truth_path("test").write_text(json.dumps(truth))
    info = json.loads(run.info_path.read_text())
    run.info_path.write_text(json.dumps({**info, "layout": str(layout)}))
    return run


def test_pictures_come_from_the_written_dataset_and_are_kept_in_the_run(written):
    before = gallery(compare([written])[0])
    assert len(before.shots) == 4
    keep_samples(compare([written]))
    samples = json.loads((written.samples_dir / "samples.json").read_text())
    assert sorted(sample["image_id"] for sample in samples) == [1, 2, 3, 4]
    assert {sample["scale"] for sample in samples} == {0.4}
    with Image.open(written.samples_dir / samples[0]["image"]) as image:
        assert image.size == (640, 480)
    info = json.loads(written.info_path.read_text())
    written.info_path.write_text(json.dumps({**info, "layout": "/gone"}))
    after = gallery(compare([written])[0])
    assert [shot.picture for shot in after.shots] == [shot.picture for shot in before.shots]


@pytest.mark.slow
def test_without_pictures_the_page_says_so(make_run):
    page = render(compare([make_run(without=("samples/samples.json",))]))
    assert "No pictures: the run kept none, and its written dataset is gone." in page
