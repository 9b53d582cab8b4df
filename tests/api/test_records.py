"""`bench.from_records`: records of a program become a dataset."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bench
from bench.errors import DataError


@pytest.fixture
def records(tmp_path: Path) -> list[dict[str, Any]]:
    found = []
    for number in range(18):
        path = tmp_path / "pics" / f"{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 50), (number * 9, 3, 3)).save(path)
        boxes = np.array([[1, 2, 30, 40.5], [5, 5, 20, 20]])[: number % 4]
        labels = ["cat", "dog"][: len(boxes)]
        found.append({"image": path, "boxes": boxes, "labels": labels, "size": (60, 50)})
    return found


def convert(data: dict[str, Any], folder: Path) -> Any:
    return bench.convert({"data": data, "models": ["fake"], "cache": str(folder / "cache")}, progress=False)


def test_every_box_and_image_arrives(records: list[dict[str, Any]], tmp_path: Path) -> None:
    """From a generator, with the splits that it states."""
    for number, record in enumerate(records):
        record["split"] = ("train", "val", "test")[number // 6]
    dataset = convert(bench.from_records(iter(records), tmp_path / "out"), tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.manifest["repairs"] == {}
    for number, split in enumerate(("train", "val", "test")):
        examples = {one.path.resolve(): one for one in dataset.layout.examples(split)}
        mine = records[6 * number : 6 * number + 6]
        assert examples.keys() == {record["image"] for record in mine}
        for record in mine:
            example = examples[record["image"]]
            assert np.array_equal(example.boxes_xyxy, record["boxes"].reshape(-1, 4))
            assert [dataset.classes[label] for label in example.labels] == record["labels"]


def test_crowds_and_no_splits(records: list[dict[str, Any]], tmp_path: Path) -> None:
    records[2]["crowd"] = [False, True]
    dataset = convert(bench.from_records(records, tmp_path / "out"), tmp_path)
    assert dataset.manifest["split"]["kind"] == "random"
    examples = [one for split in ("train", "val", "test") for one in dataset.layout.examples(split)]
    assert sum(int(one.crowd.sum()) for one in examples) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["cat"]}, "record 2, labels: are not as many as there are boxes"),
        ({"boxes": [[1, 2, 3]]}, r"record 2, boxes: are not \(N, 4\) numbers"),
        ({"boxes": [[1, 2, 3, float("nan")]] * 2}, "record 2, boxes: are not finite"),
        ({"split": "dev"}, "record 2, split: is none of train, val and test"),
        ({"split": "train"}, "some records have a split, and some have none"),
        ({"bbox": []}, "record 2, bbox: is unknown; there are: boxes, crowd, image"),
    ],
)
def test_a_wrong_record_is_named(
    records: list[dict[str, Any]], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    records[2] |= change
    with pytest.raises(DataError, match=message):
        bench.from_records(records, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_record_and_one_image_twice(records: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no record"):
        bench.from_records([], tmp_path / "out")
    with pytest.raises(DataError, match="is the image of an earlier record"):
        bench.from_records([records[0], records[0]], tmp_path / "out")
