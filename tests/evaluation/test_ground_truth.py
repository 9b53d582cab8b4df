"""Ground truth is read once and refused where judges would disagree about it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import DataError
from bench.evaluation import load_ground_truth

COCO = {
    "images": [{"id": 7, "file_name": "a.png", "width": 9, "height": 9}, {"id": 3, "file_name": "b.png"}],
    "categories": [{"id": 2, "name": "dog"}, {"id": 1, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 1},
        {"id": 9, "image_id": 3, "category_id": 2, "bbox": [0.5, 0, 5, 5], "area": 25.5, "iscrowd": 0},
    ],
}


def changed(key: str, place: int, **values: object) -> dict[str, Any]:
    """COCO with some fields of one record otherwise; None takes a field away."""
    coco = copy.deepcopy(COCO)
    record: dict[str, Any] = coco[key][place]  # type: ignore[assignment]
    record |= values
    for field in [name for name, value in values.items() if value is None]:
        del record[field]
    return coco


def test_pictures_keep_their_order_and_classes_go_by_id(truth_of: Callable[..., Any]) -> None:
    truth = truth_of(COCO)
    assert truth.file_image_ids.tolist() == [7, 3]
    assert truth.image_ids.tolist() == [3, 7]
    assert truth.object_image.tolist() == [1, 1, 0] and truth.object_id.tolist() == [1, 2, 9]
    assert truth.classes == ("cat", "dog")
    assert truth.object_label.tolist() == [0, 0, 1] and truth.object_crowd.tolist() == [False, True, False]


def test_oddities_that_no_figure_depends_on_are_passed_over(truth_of: Callable[..., Any]) -> None:
    assert len(truth_of(changed("images", 0, license="CC BY", width="9")).image_ids) == 2


@pytest.mark.parametrize(
    ("coco", "record", "complaint"),
    [
        (changed("images", 1, id=7), "images[1]", "occurs twice"),
        (changed("images", 1, id=None), "images[1]", "should have an `id`"),
        (changed("annotations", 0, id=0), "annotations[0]", "at least 1"),
        (changed("annotations", 1, id=1), "annotations[1]", "occurs twice"),
        (changed("annotations", 2, image_id=5), "annotation 9, image_id", "no picture has this id"),
        (changed("annotations", 2, category_id=3), "annotation 9, category_id", "no category has this id"),
        (changed("annotations", 0, bbox=[1, 2, 3]), "annotation 1, bbox", "should be \\[x, y"),
        (changed("annotations", 0, bbox=[0, 0, -1, 3]), "annotation 1, bbox", "should be \\[x, y"),
        (changed("annotations", 0, bbox=[0, 0, float("nan"), 3]), "annotation 1, bbox", "should be \\[x, y"),
        (changed("annotations", 0, area=None), "annotation 1, area", "area"),
        (changed("annotations", 0, iscrowd=None), "annotation 1, iscrowd", "0 or 1"),
        (changed("categories", 1, name=None), "category 1", "should have a `name`"),
        (changed("categories", 0, id=4), "categories", "category ids should be 1 to 2"),
    ],
)
def test_what_can_not_be_judged_is_named(
    truth_of: Callable[..., Any], coco: dict[str, Any], record: str, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        truth_of(coco)
    assert caught.value.record == record
    assert caught.value.file is not None and caught.value.hint is not None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is no JSON"),
        ("[]", "is no COCO json"),
        ('{"images": []}', "no list 'annotations'"),
        (None, "no such"),
    ],
)
def test_a_file_that_is_no_coco_json(tmp_path: Path, text: str | None, complaint: str) -> None:
    path = tmp_path / "val.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=complaint) as caught:
        load_ground_truth(path)
    assert caught.value.file == path
