"""Class tables."""

import csv

import numpy as np
import pytest
import yaml

from bench.datasets.classes import apply, parse, read_table, shipped
from bench.datasets.dataset import BoxTable, Dataset, Images
from bench.errors import DataError

CLASSES = ("cat", "dog", "emu", "fox")


def dataset_of(classes=CLASSES):
    """A picture and a box for each class."""
    names = [f"{name}.jpg" for name in classes]
    rows = list(range(len(classes)))
    return Dataset(
        tuple(classes),
        Images.of(names, names, [(9, 9)] * len(rows), [-1] * len(rows)),
        BoxTable.of(rows, rows, [[0, 0, 5, 5 + 0.1 * row] for row in rows]),
    )


def test_keep_drop_merge_and_rename():
    table = parse({"classes": {"pet": ["dog", "cat"], "bird": "emu"}, "drop": ["fox"]}, "mine")
    dataset, account = apply(dataset_of(), table)
    assert dataset.classes == ("pet", "bird")
    assert dataset.boxes.image.tolist() == [0, 1, 2]
    assert dataset.boxes.label.tolist() == [0, 0, 1]
    assert len(dataset.images) == 4, "a picture whose boxes went is background"
    assert account["table"] == "mine"
    assert account["rows"] == [
        {"source": "cat", "class": "pet", "boxes": 1},
        {"source": "dog", "class": "pet", "boxes": 1},
        {"source": "emu", "class": "bird", "boxes": 1},
        {"source": "fox", "class": None, "boxes": 1},
    ]


def test_no_table_keeps_everything():
    dataset, account = apply(dataset_of(), read_table(None))
    assert dataset.classes == CLASSES
    assert account["table"] is None


@pytest.mark.parametrize(
    ("rest", "classes", "labels"),
    [
        ("drop", ("pet",), [0, 0]),
        ("keep", ("pet", "emu", "fox"), [0, 0, 1, 2]),
        ({"into": "pet"}, ("pet",), [0, 0, 0, 0]),
    ],
)
def test_the_rest(rest, classes, labels):
    table = parse({"classes": {"pet": ["dog", "cat"]}, "rest": rest}, "mine")
    dataset, _ = apply(dataset_of(), table)
    assert dataset.classes == classes
    assert dataset.boxes.label.tolist() == labels


def test_an_unmentioned_class_is_an_error_that_names_all_of_them():
    table = parse({"classes": {"cat": None, "doog": None}}, "mine")
    with pytest.raises(DataError, match="does not mention 3 of the source's classes") as caught:
        apply(dataset_of(), table)
    assert "'dog' (did you mean 'doog'?), 'emu', 'fox'" in str(caught.value)
    assert "`rest:`" in str(caught.value)


def test_a_slip_in_a_table_with_a_rest_is_an_error():
    table = parse({"classes": {"cta": "cta", "x": "foxx"}, "rest": "drop"}, "mine")
    with pytest.raises(DataError, match="the source has no class 'cta'"):
        apply(dataset_of(), table)


def test_a_class_that_the_source_lacks_does_no_harm_without_a_rest():
    table = parse({"classes": dict.fromkeys((*CLASSES, "gnu"))}, "mine")
    dataset, _ = apply(dataset_of(), table)
    assert dataset.classes == (*CLASSES, "gnu")


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ([], "needs a mapping `classes`"),
        ({"classes": ["cat"]}, "needs a mapping `classes`"),
        ({"classes": {}}, "needs a mapping `classes`"),
        ({"classes": {"a": "cat", "b": ["cat"]}}, "is listed twice"),
        ({"classes": {"cat": None}, "drop": ["cat"]}, "is listed twice"),
        ({"classes": {"cat": None}, "dorp": ["dog"]}, "unknown key"),
        ({"classes": {"cat": None}, "rest": "maybe"}, "`rest` should be"),
        ({"classes": {"cat": None}, "rest": {"into": "dog"}}, "`rest` should be"),
        ({"classes": {"cat": [{"x": 1}]}}, "should be a string"),
    ],
)
def test_bad_tables(tree, expected):
    with pytest.raises(DataError, match=expected):
        parse(tree, "mine")


def test_a_table_that_leaves_nothing():
    with pytest.raises(DataError, match="drops every box"):
        apply(dataset_of(), parse({"classes": {"gnu": None}, "drop": list(CLASSES)}, "mine"))


def test_tables_come_by_name_by_file_or_inline(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("classes: {pet: [cat, dog]}\nrest: drop\n")
    from_file = read_table(str(path))
    inline = read_table({"classes": {"pet": ["cat", "dog"]}, "rest": "drop"})
    assert from_file.targets == inline.targets == {"cat": "pet", "dog": "pet"}
    with pytest.raises(DataError, match="shipped tables: fracture, taco-7"):
        read_table("taco-8")
    path.write_text("classes: [")
    with pytest.raises(DataError, match="can't be read as YAML"):
        read_table(str(path))


def test_shipped_tables():
    assert shipped() == ["fracture", "taco-7"]
    taco = read_table("taco-7")
    assert len(taco.targets) == 60
    assert taco.classes == (
        "metals_and_plastic",
        "other",
        "non_recyclable",
        "glass",
        "paper",
        "bio",
        "unknown",
    )
    assert taco.targets["Unlabeled litter"] == "unknown"
    assert len(read_table("fracture").classes) == 7


@pytest.mark.data
def test_the_taco_table_is_the_published_one(real_data):
    with (real_data / "taco/classes_7.csv").open(newline="") as file:
        published = {row["taco_category"]: row["class_7"] for row in csv.DictReader(file)}
    assert dict(read_table("taco-7").targets) == published


@pytest.mark.data
def test_the_fracture_table_names_the_published_classes(real_data):
    names = yaml.safe_load((real_data / "fracture/data.yaml").read_text())["names"]
    assert list(read_table("fracture").targets) == names


def test_labels_stay_small_integers():
    dataset, _ = apply(dataset_of(), parse({"classes": {"x": list(CLASSES)}}, "mine"))
    assert dataset.boxes.label.dtype == np.int64


def test_what_the_table_names_and_the_source_lacks_is_noted():
    table = parse({"classes": {"x": list(CLASSES)}, "drop": ["unicorn"]}, "mine")
    _, account = apply(dataset_of(), table)
    assert account["absent"] == ["unicorn"]
    misspelt = [name for name in CLASSES if name != "cat"] + ["catt"]
    with pytest.raises(DataError, match=r"'cat' \(did you mean 'catt'\?\)"):
        apply(dataset_of(), parse({"classes": {"x": misspelt}}, "mine"))
