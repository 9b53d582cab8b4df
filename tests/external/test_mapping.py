"""The same detections, whatever a tool calls its images and classes."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import RunError
from bench.external.ids import with_names
from bench.external.mapping import map_to
from bench.external.readers import read_predictions
from bench.external.truth import read_truth

ORDER = [2, 5, 9]


def test_ids_of_the_ground_truth(truth, detections, write) -> None:
    mapped = map_to(read_truth(write("t.json", truth), "test"), read_predictions(write("p.json", detections)))
    assert mapped.results.image_ids.tolist() == [one["image_id"] for one in detections]
    assert mapped.results.category_ids.tolist() == [ORDER.index(one["category_id"]) + 1 for one in detections]
    assert mapped.results.boxes_xywh.tolist() == [one["bbox"] for one in detections]
    assert mapped.notes == ("8 images read as image ids", "3 classes read as category ids")


def counted(number: int, start: int) -> int:
    return number // 3 - 1 + start


FORMS = {
    "from 0": lambda one: (counted(one["image_id"], 0), ORDER.index(one["category_id"])),
    "from 1": lambda one: (counted(one["image_id"], 1), ORDER.index(one["category_id"]) + 1),
    "names": lambda one: (
        f"shop/0{one['image_id'] // 3}.jpg",
        dict(zip(ORDER, ("cat", "dog", "Zebra fish"), strict=True))[one["category_id"]],
    ),
    "other case": lambda one: (
        f"/data/elsewhere/0{one['image_id'] // 3}.jpg",
        dict(zip(ORDER, ("Cat", "DOG", "zebra fish"), strict=True))[one["category_id"]],
    ),
    "stems": lambda one: (f"0{one['image_id'] // 3}", one["category_id"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_say_it(form: str, truth, detections, write) -> None:
    said = [
        {**one, "image_id": FORMS[form](one)[0], "category_id": FORMS[form](one)[1]} for one in detections
    ]
    known = read_truth(write("t.json", truth), "test")
    expected = map_to(known, read_predictions(write("p.json", detections))).results
    found = map_to(known, read_predictions(write("q.json", said))).results
    assert np.array_equal(found.image_ids, expected.image_ids)
    assert np.array_equal(found.category_ids, expected.category_ids)


def test_file_names_beside_numbers_win(truth, detections, write) -> None:
    """ultralytics numbers images by their stem, and writes the name beside it."""
    said = [
        {**one, "image_id": one["image_id"] // 3, "file_name": f"0{one['image_id'] // 3}.jpg"}
        for one in detections
    ]
    mapped = map_to(read_truth(write("t.json", truth), "test"), read_predictions(write("q.json", said)))
    assert mapped.results.image_ids.tolist() == [one["image_id"] for one in detections]
    assert mapped.notes[0] == "8 images read as file names without folders"


def test_of_two_readings_the_one_that_finds_objects(truth, detections, write) -> None:
    """Ids 1 to 8, and places counted from 0 without the first image: 1 to 7 would fit both."""
    dense = copy.deepcopy(truth)
    for one in dense["images"]:
        one["id"] //= 3
    for one in dense["annotations"]:
        one["image_id"] //= 3
    said = [{**one, "image_id": one["image_id"] // 3 - 1} for one in detections if one["image_id"] > 3]
    mapped = map_to(read_truth(write("t.json", dense), "test"), read_predictions(write("q.json", said)))
    assert mapped.results.image_ids.tolist() == [one["image_id"] + 1 for one in said]
    assert "counted from 0, not as image ids" in mapped.notes[0]


def test_classes_too_are_read_by_what_they_find(truth, detections, write) -> None:
    renumbered = copy.deepcopy(truth)
    for one in (*renumbered["annotations"], *renumbered["categories"]):
        key = "category_id" if "category_id" in one else "id"
        one[key] = ORDER.index(one[key]) + 1
    said = [
        {**one, "category_id": ORDER.index(one["category_id"])}
        for one in detections
        if one["category_id"] != 2
    ]
    mapped = map_to(read_truth(write("t.json", renumbered), "test"), read_predictions(write("q.json", said)))
    assert mapped.results.category_ids.tolist() == [one["category_id"] + 1 for one in said]
    assert "places of classes, counted from 0, not as category ids" in mapped.notes[1]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"image_id": 99}, ("detection 4", "1 of 9 images are not in the ground truth", "[99]", "3, 6, 9")),
        ({"category_id": 77}, ("detection 4", "1 of 4 classes are not in the ground truth", "[77]", "2, 5")),
    ],
)
def test_what_the_ground_truth_lacks_is_refused(change, parts, truth, detections, write) -> None:
    detections[4] |= change
    with pytest.raises(RunError) as raised:
        map_to(read_truth(write("t.json", truth), "test"), read_predictions(write("q.json", detections)))
    assert all(part in str(raised.value) for part in parts), raised.value


def corners(box: list[float]) -> list[float]:
    return [box[0], box[1], box[0] + box[2], box[1] + box[3]]


def shares(box: list[float]) -> list[float]:
    return [box[0] / 200, box[1] / 100, box[2] / 200, box[3] / 100]


@pytest.mark.parametrize(
    ("form", "said"), [(corners, "x1, y1, x2, y2"), (shares, "shares of the image's size")]
)
def test_boxes_of_another_form_are_refused(form, said: str, truth, detections, write) -> None:
    wrong = [{**one, "bbox": form(one["bbox"])} for one in detections if one["bbox"][0] > 90]
    with pytest.raises(RunError, match=said):
        map_to(read_truth(write("t.json", truth), "test"), read_predictions(write("q.json", wrong)))


def test_csv_and_yolo_say_the_same(truth, detections, write, write_csv, tmp_path: Path) -> None:
    known = read_truth(write("t.json", truth), "test")
    expected = map_to(known, read_predictions(write("p.json", detections))).results
    names = dict(zip(ORDER, ("cat", "dog", "Zebra fish"), strict=True))
    rows: list[Any] = [
        (f"0{one['image_id'] // 3}.jpg", names[one["category_id"]], one["score"], *corners(one["bbox"]))
        for one in detections
    ]
    table = write_csv("p.csv", ("File_Name", "class", "score", "x1", "y1", "x2", "y2"), rows)
    folder = tmp_path / "runs/labels"
    folder.mkdir(parents=True)
    for one in detections:
        x, y, w, h = shares(one["bbox"])
        with (folder / f"0{one['image_id'] // 3}.txt").open("a") as file:
            label = ORDER.index(one["category_id"])
            file.write(f"{label} {x + w / 2:.9f} {y + h / 2:.9f} {w:.9f} {h:.9f} {one['score']}\n")
    for path in (table, folder):
        found = map_to(known, read_predictions(path)).results
        assert np.array_equal(found.image_ids, expected.image_ids)
        assert np.array_equal(found.category_ids, expected.category_ids)
        assert np.allclose(found.boxes_xywh, expected.boxes_xywh, atol=1e-5)
        assert np.array_equal(found.scores, expected.scores)


def test_yolo_s_classes_may_be_listed_in_another_order(truth, write, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/01.txt").write_text("0 0.5 0.5 0.1 0.1 0.9\n1 0.5 0.5 0.1 0.1 0.8\n")
    (tmp_path / "classes.txt").write_text("dog\ncat\nZebra fish\n")
    found = map_to(read_truth(write("t.json", truth), "test"), read_predictions(tmp_path / "labels"))
    assert found.results.category_ids.tolist() == [2, 1]


def test_names_from_before_and_after_a_run_renamed_its_images(truth, detections, write) -> None:
    for one in truth["images"]:
        one["source"], one["file_name"] = one["file_name"], one["file_name"].replace("/", "__")
    known = read_truth(write("t.json", truth), "test")
    for name in ("shop/0{}.jpg", "shop__0{}.jpg", "0{}", "shop/0{}"):
        said = [{**one, "image_id": name.format(one["image_id"] // 3)} for one in detections]
        found = map_to(known, read_predictions(write("q.json", said))).results
        assert found.image_ids.tolist() == [one["image_id"] for one in detections]


def test_ids_of_another_json(truth, detections, write) -> None:
    ours = copy.deepcopy(truth)
    for key, own in (("images", "image_id"), ("categories", "category_id")):
        for one in ours[key]:
            one["id"] += 1000
        for one in ours["annotations"]:
            one[own] += 1000
    known, path = read_truth(write("t.json", ours), "test"), write("source.json", truth)
    found = map_to(known, with_names(read_predictions(write("q.json", detections)), path)).results
    assert found.image_ids.tolist() == [one["image_id"] + 1000 for one in detections]
    assert found.category_ids.tolist() == [ORDER.index(one["category_id"]) + 1 for one in detections]
    detections[2]["image_id"] = 4
    with pytest.raises(RunError, match=r"detection 2: .*source.json has no image of this id"):
        with_names(read_predictions(write("q.json", detections)), path)
