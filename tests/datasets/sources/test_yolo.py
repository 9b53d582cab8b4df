"""YOLO folders: data.yaml in its many shapes, rows that are boxes or polygons, rows that are neither."""

import errno
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data_config import DataConfig
from bench.datasets import prepare, propose_config
from bench.datasets.dataset import NO_SPLIT
from bench.datasets.problems import Problems
from bench.datasets.reading import read_sound as read
from bench.datasets.sources import fracture, yolo_rows
from bench.errors import DataError
from bench.layout import SPLITS


def kinds(source):
    return Counter(repair.kind for repair in source.repairs)


def splits_of(source):
    return np.bincount(source.dataset.images.splits, minlength=3).tolist()


def test_columns_say_what_the_files_say(yolo, tmp_path):
    source = read(yolo.config(), tmp_path)
    dataset = source.dataset
    assert source.normalized
    assert dataset.classes == ("cat", "dog")
    assert splits_of(source) == [10, 5, 5]
    assert len(dataset.boxes) == 8 + 4 + 4
    row = dataset.images.names.tolist().index("train/images/train01.png")
    mine = dataset.boxes.image == row
    assert dataset.boxes.label[mine].tolist() == [1]
    assert dataset.boxes.xyxy[mine].tolist() == [[0.375, 0.25, 0.625, 0.75]]
    assert dataset.boxes.record[mine].tolist() == [1]
    assert source.metadata["labels"]["files"] == 20


def test_missing_and_empty_labels_mean_background(yolo, tmp_path):
    yolo.add("train", "unlabelled", None)
    yolo.add("train", "blank", "\n  \n")
    source = read(yolo.config(), tmp_path)
    assert splits_of(source) == [12, 5, 5]
    assert len(source.dataset.boxes) == 16
    assert [(repair.kind, repair.image) for repair in source.repairs] == [
        ("no_label_file", "train/images/unlabelled.png")
    ]


def test_a_polygon_becomes_its_box(yolo, tmp_path):
    yolo.add("train", "poly", "0 0.1 0.2 0.5 0.9 0.3 0.1\n\n1 0.5 0.5 0.25 0.5\n")
    source = read(yolo.config(), tmp_path)
    row = source.dataset.images.names.tolist().index("train/images/poly.png")
    mine = source.dataset.boxes.image == row
    assert source.dataset.boxes.xyxy[mine].tolist() == [[0.1, 0.1, 0.5, 0.9], [0.375, 0.25, 0.625, 0.75]]
    assert source.dataset.boxes.record[mine].tolist() == [1, 3]
    found = [repair for repair in source.repairs if repair.kind == "polygon"]
    assert [(f.image, f.record) for f in found] == [("train/images/poly.png", "line 1")]


@pytest.mark.parametrize(
    "text",
    [
        "train: ../train/images\nval: ../val/images\ntest: ../test/images\nnames: [cat, dog]",
        "path: .\ntrain: train/images\nval: val/images\ntest: test/images\nnames: {0: cat, 1: dog}",
        "train: [train/images]\nval: [val/images]\ntest: test\\images\nnames: [cat, dog]",
        "train: train\nvalid: val\ntest: test\nnames: [cat, dog]",
        "train: train/images\nnames: [cat, dog]",
        "path: /nowhere/at/all\ntrain: train/images\nval: valid/images\nnames: [cat, dog]",
    ],
)
def test_shapes_of_data_yaml(yolo, tmp_path, text):
    yolo.yaml(text)
    source = read(yolo.config(), tmp_path)
    assert splits_of(source) == [10, 5, 5]
    assert len(source.dataset.boxes) == 16


def test_val_may_be_called_valid(make_yolo, tmp_path):
    folder = make_yolo({"train": 4, "valid": 3})
    folder.yaml("train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [cat, dog]")
    source = read(folder.config(), tmp_path)
    assert splits_of(source) == [4, 3, 0]
    assert source.metadata["listed_but_absent"] == {"test": "../test/images"}
    assert set(source.declared) == {"train", "val", "test"}


@pytest.mark.parametrize("damage", ["missing", "empty", "unreadable"])
def test_a_named_split_without_pictures_is_refused(yolo, tmp_path, damage):
    folder = yolo.root / "test/images"
    for path in folder.iterdir():
        path.write_bytes(b"no picture") if damage == "unreadable" else path.unlink()
    if damage == "missing":
        folder.rmdir()
    with pytest.raises(DataError, match=r"(?s)the source declares a test split.*images, in .*data\.yaml"):
        prepare(yolo.config(), tmp_path / "cache")
    yolo.yaml("train: train/images\nval: val/images\nnames: [cat, dog]")
    if damage == "missing":
        assert prepare(yolo.config(), tmp_path / "cache").examples("test")


def test_a_list_of_which_no_picture_is_there_is_named(yolo, tmp_path):
    (yolo.root / "train.txt").write_text("gone/a.png\ngone/b.png\n")
    yolo.yaml("train: train.txt\nval: val/images\nnames: [cat, dog]")
    with pytest.raises(DataError, match=r"train\.txt: none of the 2 pictures.*gone/a\.png"):
        read(yolo.config(), tmp_path)


def test_a_closed_label_file_is_told(yolo, tmp_path, monkeypatch):
    def closed(path, image_file):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(yolo_rows, "content_of", closed)
    with pytest.raises(DataError, match=r"labels/\w+\.txt: can't be read: Permission denied"):
        prepare(yolo.config(), tmp_path / "cache")


def test_labels_beside_the_images_folder_or_the_pictures(yolo, tmp_path):
    root = tmp_path / "flat"
    (root / "images").mkdir(parents=True)
    for split in ("train", "val", "test"):
        (yolo.root / split / "images").rename(root / "images" / split)
    (root / "labels").mkdir()
    (yolo.root / "train/labels").rename(root / "labels/train")
    for path in (yolo.root / "val/labels").iterdir():
        path.rename(root / "images/val" / path.name)
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")
    source = read(DataConfig(source="yolo", path=root), tmp_path)
    assert splits_of(source) == [10, 5, 5], "images/test is found where data.yaml leaves it out"
    assert len(source.dataset.boxes) == 12


def test_lists_of_pictures(yolo, tmp_path):
    lines = [f"./train/images/train{number:02d}.png" for number in range(10)]
    (yolo.root / "train.txt").write_text("\n".join([*lines, lines[0], "./train/images/gone.png", ""]))
    yolo.yaml("train: train.txt\nval: val/images\ntest: test/images\nnames: [cat, dog]")
    source = read(yolo.config(), tmp_path)
    assert splits_of(source) == [10, 5, 5]
    assert kinds(source) == {"duplicate_picture": 1, "no_file": 1}


def test_a_picture_in_two_splits_is_kept_where_it_judges(yolo, tmp_path):
    yolo.yaml("train: [train/images, test/images]\nval: val/images\ntest: test/images\nnames: [cat, dog]")
    source = read(yolo.config(), tmp_path)
    assert splits_of(source) == [10, 5, 5]
    assert kinds(source) == {"duplicate_picture": 5}


def test_another_yaml_can_be_named(yolo, tmp_path):
    (yolo.root / "data.yaml").rename(yolo.root / "mine.yaml")
    assert len(read(yolo.config(), tmp_path).dataset.images) == 20
    (yolo.root / "other.yaml").write_text("train: nowhere\nnames: [cat, dog]\n")
    with pytest.raises(DataError, match=r"(?s)has no data\.yaml.*mine\.yaml.*data\.annotations"):
        read(yolo.config(), tmp_path)
    assert len(read(yolo.config(annotations="mine.yaml"), tmp_path).dataset.images) == 20


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("0 0.5 0.5", r"line 2: has 3 numbers.*found: '0 0\.5 0\.5'"),
        ("0 0.5 0.5 0.1 0.1 0.9", "line 2: has 6 numbers"),
        ("2 0.5 0.5 0.1 0.1", r"line 2: the class is beyond the 2 of data\.yaml"),
        ("-1 0.5 0.5 0.1 0.1", "line 2: the class should be a whole number from 0"),
        ("0.5 0.5 0.5 0.1 0.1", "line 2: the class should be a whole number from 0"),
        ("0 1.7 0.5 0.1 0.1", r"line 2: a coordinate is outside 0\.\.1"),
        ("0 0.5 -0.5 0.1 0.1", r"line 2: a coordinate is outside 0\.\.1"),
        ("0 0.5 0.5 nan 0.1", "line 2: contains a number that is not finite"),
        ("0 0.5 inf 0.1 0.1", "line 2: contains a number that is not finite"),
        ("nan 0.5 0.5 0.1 0.1", "line 2: contains a number that is not finite"),
        ("cat 0.5 0.5 0.1 0.1", "line 2: contains something that is not a number"),
        ("0 0.1 0.1 0.2 0.2 1.7 0.3", r"line 2: a coordinate is outside 0\.\.1"),
    ],
)
def test_bad_rows_name_file_line_and_value(yolo, tmp_path, row, expected):
    yolo.add("train", "bad", f"0 0.5 0.5 0.1 0.1\n{row}\n")
    with pytest.raises(DataError, match=expected) as caught:
        read(yolo.config(), tmp_path)
    assert "labels/bad.txt" in str(caught.value)


def test_all_bad_rows_are_told_together(yolo, tmp_path):
    yolo.add("train", "bad", "0 0.5 0.5\n9 0.5 0.5 0.1 0.1\n")
    yolo.add("val", "worse", "0 1.7 0.5 0.1 0.1\n")
    (yolo.root / "test/labels/binary.txt").write_bytes(b"\xff\xfe\x00")
    yolo.add("test", "binary", None)
    with pytest.raises(DataError, match="4 problems"):
        read(yolo.config(), tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train: train/images", "has no `names`"),
        ("train: train/images\nnames: []", "has no `names`"),
        ("train: train/images\nnames: [cat, cat]", "a class is listed in `names` twice"),
        ("train: train/images\nnames: {1: cat, 2: dog}", "the keys of `names` should count from 0"),
        ("train: train/images\nnames: [cat, dog]\nnc: 3", "`nc` is not the number of `names`, 2"),
        ("train: nowhere\nnames: [cat, dog]", "path of its train pictures does not exist"),
        ("train: 7\nnames: [cat, dog]", "should be a folder, a list of folders, or a txt"),
        ('train: train/images\nnames: ["\\uD800", dog]', "is not YAML: found invalid Unicode character"),
        ("train: train/images\nnames: [cat, dog]\nnc: " + "9" * 5000, "can't be read: Exceeds"),
        ("- a\n- b", "is not a data.yaml"),
        ("train: [", "is not YAML"),
    ],
)
def test_a_bad_data_yaml(yolo, tmp_path, text, expected):
    yolo.yaml(text)
    with pytest.raises(DataError, match=expected):
        read(yolo.config(), tmp_path)


def test_no_pictures_and_no_labels(make_yolo, tmp_path):
    folder = make_yolo({"train": 1})
    (folder.root / "train/labels/train00.txt").unlink()
    with pytest.raises(DataError, match="no picture has a label file"):
        read(folder.config(), tmp_path)
    (folder.root / "train/images/train00.png").unlink()
    with pytest.raises(DataError, match="the dataset has no picture"):
        read(folder.config(), tmp_path)
    (folder.root / "data.yaml").unlink()
    with pytest.raises(DataError, match=r"has no data\.yaml"):
        read(folder.config(), tmp_path)


@pytest.mark.parametrize(
    ("image_file", "expected"),
    [
        ("/a/train/images/x.jpg", "/a/train/labels/x.txt"),
        ("/a/images/train/x.tar.jpg", "/a/labels/train/x.tar.txt"),
        ("/images/b/images/x.jpg", "/images/b/labels/x.txt"),
        ("/a/b.c/x", "/a/b.c/x.txt"),
        ("/a/x.jpg", "/a/x.txt"),
    ],
)
def test_where_labels_belong(image_file, expected):
    assert yolo_rows.label_path(image_file) == expected


share = st.floats(0, 1)


@given(st.lists(st.tuples(st.integers(0, 6), share, share, share, share), max_size=5))
def test_every_sound_file_is_read_to_the_last_bit(rows):
    text = "".join(" ".join(map(repr, row)) + "\r\n" for row in rows)
    problems = Problems()
    found = yolo_rows.parse(b"\xef\xbb\xbf" + text.encode(), "x.txt", 7, problems)
    problems.raise_if_any()
    assert [row.label for row in found] == [row[0] for row in rows]
    for row, (_, x, y, width, height) in zip(found, rows, strict=True):
        assert row.box == (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(content):
    problems = Problems()
    for row in yolo_rows.parse(content, "x.txt", 7, problems):
        assert 0 <= row.label < 7
        assert all(-1 <= side <= 2 for side in row.box)


@pytest.mark.data
def test_fracture_as_it_is_published(real_data, tmp_path):
    source = fracture.read(DataConfig(source="fracture", path=real_data / "fracture"), tmp_path)
    dataset = source.dataset
    assert splits_of(source) == [3631, 348, 169]
    split_of_box = dataset.images.splits[dataset.boxes.image]
    assert np.bincount(split_of_box).tolist() == [1584, 204, 96]
    assert kinds(source) == {"polygon": 1884}, "no row is a box of 5 numbers"
    has_box = np.bincount(dataset.images.splits[np.unique(dataset.boxes.image)], minlength=3)
    assert (np.array([3631, 348, 169]) - has_box).tolist() == [2286, 175, 86]
    rare = dataset.classes.index("humerus fracture")
    assert np.bincount(split_of_box[dataset.boxes.label == rare], minlength=3).tolist() == [3, 0, 0]
    assert source.metadata["annotations"][0]["licences"] == ["CC BY 4.0"]


def test_labels_without_a_picture_are_told(yolo, tmp_path):
    (yolo.root / "train/labels/lost.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (yolo.root / "train/labels/raw.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (yolo.root / "train/images/raw.nef").write_bytes(b"x")
    found = [r for r in read(yolo.config(), tmp_path).repairs if r.kind == "label_without_image"]
    assert [(r.image, r.detail) for r in found] == [
        ("train/labels/lost.txt", ""),
        ("train/labels/raw.txt", "raw.nef has an unknown suffix"),
    ]


@pytest.mark.parametrize("suffix", ["avif", "jp2", "tga"])
def test_less_usual_picture_formats_are_read(yolo, tmp_path, image, suffix):
    yolo.add("train", "odd", "0 0.5 0.5 0.2 0.2\n")
    (yolo.root / "train/images/odd.png").unlink()
    image((64, 48), 3).save(yolo.root / f"train/images/odd.{suffix}")
    layout = prepare(yolo.config(), tmp_path / "cache")
    assert [len(e.labels) for e in layout.examples("train") if e.path.stem == "odd"] == [1]
    assert (layout.images_dir("train") / "odd.png").is_file()


def test_names_are_read_as_they_are_written(yolo, tmp_path):
    yolo.yaml("train: train/images\nval: val/images\ntest: test/images\nnames: [no, 1.10]")
    assert read(yolo.config(), tmp_path).dataset.classes == ("no", "1.10")
    yolo.yaml("train: train/images\nval: val/images\ntest: test/images\nnames: {1: yes, 0: 2024-01-01}")
    assert read(yolo.config(), tmp_path).dataset.classes == ("2024-01-01", "yes")


@pytest.mark.parametrize("numbers_each", [2, 3])
def test_pose_labels(yolo, tmp_path, numbers_each):
    points = {2: " 0.45 0.45 0.55 0.5", 3: " 0.45 0.45 2 0.55 0.5 1"}[numbers_each]
    for label in yolo.root.glob("*/labels/*.txt"):
        if label.stat().st_size:
            label.write_text(f"0 0.5 0.5 0.25 0.5{points}\n")
    with pytest.raises(DataError, match=rf"look like pose labels.*(?s:.*)kpt_shape: \[2, {numbers_each}\]"):
        read(yolo.config(), tmp_path)
    text = (yolo.root / "data.yaml").read_text()
    yolo.yaml(f"{text}\nkpt_shape: [2, {numbers_each}]")
    source = read(yolo.config(), tmp_path)
    assert source.dataset.boxes.xyxy[0].tolist() == [0.375, 0.25, 0.625, 0.75]
    assert kinds(source) == {"keypoints": 16}


def test_polygons_are_no_pose_labels(yolo, tmp_path):
    for number, label in enumerate(yolo.root.glob("*/labels/*.txt")):
        if label.stat().st_size:
            x = 0.04 * number
            label.write_text(f"0 {x} 0.4 {x + 0.2} 0.4 {x + 0.2} 0.6 {x} 0.6\n")
    assert kinds(read(yolo.config(), tmp_path)) == {"polygon": 16}


@pytest.mark.parametrize("tool", ["label-studio", "labelimg", "cvat"])
def test_exports_without_a_data_yaml(tmp_path, image, tool):
    root = tmp_path / tool
    pictures, labels = {
        "label-studio": (root / "images", root / "labels"),
        "labelimg": (root, root),
        "cvat": (root / "obj_train_data", root / "obj_train_data"),
    }[tool]
    for number in range(4):
        pictures.mkdir(parents=True, exist_ok=True)
        image((64, 48), number).save(pictures / f"{number}.png")
        labels.mkdir(parents=True, exist_ok=True)
        (labels / f"{number}.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    (root / ("obj.names" if tool == "cvat" else "classes.txt")).write_text("cat\ndog\n")
    if tool == "cvat":
        lines = [f"data/obj_train_data/{number}.png\n" for number in range(4)]
        (root / "train.txt").write_text("".join(lines))
    assert "source: yolo" in propose_config(root)
    source = read(DataConfig(source="yolo", path=root), tmp_path)
    assert source.dataset.classes == ("cat", "dog")
    assert (len(source.dataset.images), source.dataset.boxes.label.tolist()) == (4, [1] * 4)
    assert set(source.dataset.images.splits) == {NO_SPLIT}
    assert kinds(source) == {}


def test_a_val_that_is_train_is_no_val(yolo, tmp_path):
    yolo.yaml("train: train/images\nval: train/images\ntest: test/images\nnames: [cat, dog]")
    source = read(yolo.config(), tmp_path)
    assert kinds(source) == {"split_same_as_train": 1}
    assert splits_of(source) == [10, 0, 5]
    assert [len(prepare(yolo.config(), tmp_path / "cache").examples(s)) for s in SPLITS][1] > 0


def test_a_list_of_absolute_paths_of_another_machine(yolo, tmp_path):
    lines = [f"/home/someone/ds/train/images/train{number:02d}.png\n" for number in range(10)]
    (yolo.root / "list.txt").write_text("".join(lines))
    yolo.yaml("train: list.txt\nval: val/images\ntest: test/images\nnames: [cat, dog]")
    assert splits_of(read(yolo.config(), tmp_path)) == [10, 5, 5]


@pytest.mark.parametrize("key", ["names", "nc", "train"])
def test_a_bomb_of_aliases_has_an_end(yolo, tmp_path, key):
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    yolo.yaml("\n".join([*levels, f"{key}: *a8"]))
    with pytest.raises(DataError, match="aliases expand to millions"):
        read(yolo.config(), tmp_path)


@pytest.mark.slow
def test_many_classes_take_no_time(make_yolo, tmp_path):
    folder = make_yolo({"train": 3, "val": 2}, names=[f"class {n}" for n in range(30_000)])
    begun = time.perf_counter()
    layout = prepare(folder.config(), tmp_path / "cache")
    assert len(layout.classes) == 30_000
    assert time.perf_counter() - begun < 20
