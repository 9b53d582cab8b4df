"""What is no detection is refused, with the place where it stands."""

from pathlib import Path

import pytest

from bench.errors import DataError, RunError
from bench.external.readers import read_predictions
from bench.external.truth import read_truth

GOOD = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"score": None}, "has no score"),
        ({"bbox": [1, 2, 3]}, "has no bbox"),
        ({"image_id": None}, "has no image_id"),
        ({"category_id": 1.5}, "has no category_id"),
        ({"score": float("nan")}, "not finite"),
        ({"bbox": [1, 2, -3, 4]}, "negative width"),
    ],
)
def test_coco_results(change, said: str, write) -> None:
    with pytest.raises(RunError, match=said) as raised:
        read_predictions(write("p.json", [GOOD, {**GOOD, **change}]))
    assert "p.json, detection 1" in str(raised.value)


def test_a_coco_json_with_scores(write) -> None:
    tree = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [GOOD],
    }
    found = read_predictions(write("p.json", tree))
    assert (list(found.images), list(found.classes)) == (["a.jpg"], ["cat"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,class,score,x1,y1,x2\n", "has no columns of boxes"),
        ("image,class,x1,y1,x2,y2\n", "has no column 'score'"),
        (
            "image,class,score,x1,y1,x2,y2\na,b,0.5,1,2,3,4\na,b,high,1,2,3,4\n",
            "line 3: should have a number",
        ),
        ("image,class,score,x1,y1,x2,y2\na,b,0.5,9,2,3,4\n", "line 2: a box has a negative width"),
    ],
)
def test_csv(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(RunError, match=said):
        read_predictions(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 0.5 0.5 0.1 0.1\n", "save_conf=True"),
        ("0 0.5 0.5 0.1 0.1 0.2 0.3 0.4 0.9\n", "outlines"),
        ("cat 0.5 0.5 0.1 0.1 0.9\n", "line 1"),
    ],
)
def test_yolo(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(RunError, match=said):
        read_predictions(tmp_path)


def test_other_files(tmp_path: Path, write) -> None:
    (tmp_path / "p.pkl").write_text("")
    for path, said in (
        (tmp_path / "p.pkl", "no known format"),
        (tmp_path / "q.json", "no such predictions"),
        (write("r.json", {"images": []}), "should be a list"),
    ):
        with pytest.raises(RunError, match=said):
            read_predictions(path)


def test_ground_truth_in_our_form(truth, write) -> None:
    for one in truth["annotations"]:
        del one["area"], one["iscrowd"]
        one["id"] -= 1
    found = read_truth(write("t.json", truth), "test")
    assert found.classes == ("cat", "dog", "Zebra fish") and found.category_ids == (2, 5, 9)
    first = found.coco["annotations"][0]
    assert first["id"] == 1 and first["area"] == first["bbox"][2] * first["bbox"][3] and not first["iscrowd"]
    assert [image["id"] for image in found.coco["images"]] == [3 * place for place in range(1, 9)]


@pytest.mark.parametrize(
    ("key", "place", "change", "said"),
    [
        ("images", 1, {"id": 3}, r"images\[1\]: this id occurs twice"),
        ("images", 0, {"file_name": None}, "file_name"),
        ("annotations", 2, {"image_id": 4}, r"annotations\[2\], image_id: no image"),
        ("annotations", 2, {"category_id": 4}, "no category"),
        ("annotations", 2, {"bbox": [1, 2, 3, -4]}, "should be"),
        ("categories", 0, {"name": "cat"}, "same name"),
    ],
)
def test_ground_truth_that_can_t_be_judged(key, place, change, said, truth, write) -> None:
    truth[key][place] |= change
    with pytest.raises(DataError, match=said):
        read_truth(write("t.json", truth), "test")
