"""COCO json: what is read, what is mended, what is refused."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.data_config import DataConfig
from bench.datasets import prepare, propose_config
from bench.datasets.dataset import NO_SPLIT
from bench.datasets.reading import read_sound as read
from bench.errors import DataError


def kinds(source):
    return Counter(repair.kind for repair in source.repairs)


def test_columns_say_what_the_json_says(coco, tmp_path):
    source = read(coco.config(), tmp_path)
    dataset = source.dataset
    assert dataset.classes == ("dog", "cat", "emu"), "in the order of the ids"
    assert len(dataset.images) == 20
    assert dataset.images.names[3] == "pics/003.png"
    assert Path(dataset.images.paths[3]) == coco.root / "pics/003.png"
    assert dataset.images.sizes_wh[3].tolist() == [64, 48]
    assert (dataset.images.splits == NO_SPLIT).all()
    assert dataset.boxes.xyxy[0].tolist() == [4, 5, 24.5, 15.25]
    assert dataset.classes[dataset.boxes.label[0]] == "cat"
    assert dataset.boxes.record.tolist() == list(range(1, 41))
    assert not source.repairs
    assert source.metadata["annotations"][0]["file"].endswith("annotations.json")


def test_row_by_row_and_all_at_once_agree(coco, tmp_path):
    at_once = read(coco.config(), tmp_path).dataset.boxes
    coco.box(999, [1, 1, 5, 5])
    coco.write()
    one_by_one = read(coco.config(), tmp_path).dataset.boxes
    for column in ("image", "label", "xyxy", "crowd", "record"):
        assert (getattr(at_once, column) == getattr(one_by_one, column)).all(), column


def test_a_file_for_each_split(coco, tmp_path):
    everything = coco.images
    (coco.root / "annotations.json").unlink()
    for split, part in (("train", everything[:10]), ("val", everything[10:15]), ("test", everything[15:])):
        coco.images = part
        ids = {image["id"] for image in part}
        kept = coco.annotations
        coco.annotations = [a for a in kept if a["image_id"] in ids]
        coco.write(f"annotations/instances_{split}2017.json")
        coco.annotations = kept
    source = read(coco.config(), tmp_path)
    assert np.bincount(source.dataset.images.splits).tolist() == [10, 5, 5]
    assert len(source.dataset.boxes) == 40
    name_of = dict(zip(source.dataset.images.names, source.dataset.images.splits, strict=True))
    assert name_of["pics/012.png"] == 1


def test_roboflow_folders_are_found(coco, tmp_path):
    root = tmp_path / "roboflow"
    for split in ("train", "valid", "test"):
        (root / split).mkdir(parents=True)
        (root / split / "a.png").symlink_to(coco.root / "pics/000.png")
        tree = {
            "images": [{"id": 0, "file_name": "a.png", "width": 64, "height": 48}],
            "categories": [{"id": 0, "name": "cat"}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4]}],
        }
        (root / split / "_annotations.coco.json").write_text(json.dumps(tree), encoding="utf-8")
    dataset = read(DataConfig(source="coco", path=root), tmp_path).dataset
    found = dict(zip(dataset.images.names, dataset.images.splits, strict=True))
    assert found == {"train/a.png": 0, "valid/a.png": 1, "test/a.png": 2}


def test_orphans_and_missing_files_are_dropped_and_listed(coco, tmp_path):
    (coco.root / "pics/004.png").unlink()
    coco.box(77, [1, 1, 5, 5])
    coco.write()
    source = read(coco.config(), tmp_path)
    assert kinds(source) == {"no_file": 1, "orphan_annotation": 1}
    lost = next(repair for repair in source.repairs if repair.kind == "no_file")
    assert (lost.image, lost.detail) == ("pics/004.png", "with 2 boxes")
    orphan = next(repair for repair in source.repairs if repair.kind == "orphan_annotation")
    assert orphan.record == "annotation 41"
    assert len(source.dataset.images) == 19
    assert len(source.dataset.boxes) == 38
    assert source.dataset.boxes.image.max() == 18


def test_a_box_is_computed_from_a_polygon_where_it_is_missing(coco, tmp_path):
    row = coco.box(1, None, segmentation=[[3, 4, 9, 4, 9, 12], [1, 5, 2, 5, 2, 6]])
    del row["bbox"]
    coco.write()
    source = read(coco.config(), tmp_path)
    assert source.dataset.boxes.xyxy[-1].tolist() == [1, 4, 9, 12]
    assert kinds(source) == {"polygon": 1}


def test_duplicate_ids(coco, tmp_path):
    coco.annotations.append(dict(coco.annotations[0]))
    coco.box(2, [9, 9, 5, 5], id=3)
    coco.images.append(dict(coco.images[6]))
    coco.images.append({**coco.images[8], "id": 900})
    coco.write()
    source = read(coco.config(), tmp_path)
    assert kinds(source) == {
        "duplicate_annotation": 1,
        "duplicate_annotation_id": 1,
        "duplicate_picture": 2,
    }
    assert len(source.dataset.images) == 20
    assert len(source.dataset.boxes) == 41


def test_pictures_that_share_an_id_are_set_aside_with_their_boxes(coco, tmp_path):
    coco.images[1]["id"] = 1
    coco.write()
    source = read(coco.config(), tmp_path)
    # Both pictures, the two boxes that name their id, and two orphans of the id that went.
    assert kinds(source) == {"ambiguous_picture": 4, "orphan_annotation": 2}
    assert len(source.dataset.images) == 18
    assert len(source.dataset.boxes) == 36


def test_a_picture_in_two_splits_is_kept_where_it_judges(coco, tmp_path):
    coco.write("test.json")
    coco.images, coco.annotations = coco.images[:5], coco.annotations[:10]
    coco.write("train.json")
    config = coco.config(annotations={"train": "train.json", "test": "test.json"})
    source = read(config, tmp_path)
    assert (source.dataset.images.splits == 2).all()
    assert kinds(source) == {"duplicate_picture": 5}
    assert len(source.dataset.boxes) == 40


def test_windows_separators_and_crowds(coco, tmp_path):
    coco.images[0]["file_name"] = "pics\\000.png"
    coco.annotations[0]["iscrowd"] = 1
    coco.write()
    dataset = read(coco.config(), tmp_path).dataset
    assert dataset.images.names[0] == "pics/000.png"
    assert dataset.boxes.crowd.tolist() == [True] + [False] * 39


def test_images_may_lie_elsewhere(coco, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (coco.root / "pics").rename(other / "pics")
    with pytest.raises(DataError, match=r"(?s)none of the pictures.*data\.images"):
        read(coco.config(), tmp_path)
    assert len(read(coco.config(images=other), tmp_path).dataset.images) == 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not json: Expecting property name.*line 1, column 2|line 1, column 2.*is not json"),
        ("[1, 2]", "is not COCO: it has no list 'images', 'annotations', 'categories'"),
        ('{"images": [], "annotations": {}}', "it has no list 'annotations', 'categories'"),
        ("[" * 100_000, "is not COCO: it is nested too deeply"),
    ],
)
def test_what_is_no_coco_is_refused(coco, tmp_path, text, expected):
    (coco.root / "annotations.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=expected) as caught:
        read(coco.config(), tmp_path)
    assert "annotations.json" in str(caught.value)


def test_binary_is_no_json(coco, tmp_path):
    (coco.root / "annotations.json").write_bytes(b"\xff\xfe\x00{}")
    with pytest.raises(DataError, match="is not json"):
        read(coco.config(), tmp_path)


def test_folders_and_files_that_are_not_there(coco, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read(DataConfig(source="coco", path=tmp_path / "nowhere"), tmp_path)
    with pytest.raises(DataError, match="is a file"):
        read(DataConfig(source="coco", path=coco.root / "annotations.json"), tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read(coco.config(annotations="gone.json"), tmp_path)
    (coco.root / "annotations.json").unlink()
    with pytest.raises(DataError, match="no annotation file"):
        read(coco.config(), tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda c: c.annotations[4].update(category_id=77),
            r"annotation 5: its category_id.*\(found: 77\)",
        ),
        (lambda c: c.annotations[4].update(bbox=[1, 2, float("nan"), 4]), "annotation 5: bbox should be 4"),
        (lambda c: c.annotations[4].update(bbox=[1, 2, 3]), "annotation 5: bbox should be 4"),
        (lambda c: c.annotations[4].update(bbox=["1", "2", "3", "4"]), "annotation 5: bbox should be 4"),
        (lambda c: c.annotations[4].update(bbox=[]), "annotation 5: has neither a bbox nor a polygon"),
        (lambda c: c.annotations[4].pop("image_id"), "annotation 5: has no image_id"),
        (lambda c: c.annotations.append("no"), r"annotations\[40\]: is not an object"),
        (lambda c: c.images[2].update(file_name="../../x.png"), r"images\[2\]: the file_name leads out"),
        (lambda c: c.images[2].update(file_name="a/../../x.png"), r"images\[2\]: the file_name leads out"),
        (lambda c: c.images[2].update(file_name="/a/../x.png"), r"images\[2\]: the file_name leads out"),
        (lambda c: c.images[2].update(file_name=" "), "is not a file name"),
        (lambda c: c.images[2].pop("file_name"), "has no file_name"),
        (lambda c: c.images[2].update(width=-3), "width and height should be whole numbers"),
        (lambda c: c.categories[0].pop("name"), r"categories\[0\]: has no name"),
        (lambda c: c.categories.append({"id": 5, "name": "yak"}), "has the id of an earlier category"),
        (lambda c: c.categories.clear(), "categories: is empty"),
    ],
)
def test_bad_rows_name_file_record_and_value(coco, tmp_path, change, expected):
    change(coco)
    coco.write()
    with pytest.raises(DataError, match=expected) as caught:
        read(coco.config(), tmp_path)
    assert "annotations.json" in str(caught.value)


def test_all_bad_rows_are_told_together_and_the_list_has_an_end(coco, tmp_path):
    coco.annotations[1]["category_id"] = 77
    coco.images[2]["file_name"] = "../x.png"
    coco.write()
    with pytest.raises(DataError, match="2 problems") as caught:
        read(coco.config(), tmp_path)
    assert "77" in str(caught.value)
    assert "../x.png" in str(caught.value)
    for row in coco.annotations[:30]:
        row["category_id"] = 77
    coco.write()
    with pytest.raises(DataError, match="31 problems") as caught:
        read(coco.config(), tmp_path)
    assert str(caught.value).count("its category_id is in no category (found") == 3
    assert str(caught.value).endswith("- 27 more: its category_id is in no category")


def test_equal_names_in_two_folders_elsewhere_stay_apart(coco, tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.png").symlink_to(coco.root / "pics/000.png")
        tree = {
            "images": [{"id": 0, "file_name": "a.png"}],
            "categories": [{"id": 0, "name": "cat"}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4]}],
        }
        (tmp_path / split / "my.json").write_text(json.dumps(tree), encoding="utf-8")
    given = {split: tmp_path / split / "my.json" for split in ("train", "test")}
    dataset = read(coco.config(annotations=given), tmp_path).dataset
    assert len(set(dataset.images.names)) == 2
    assert dataset.images.sizes_wh.tolist() == [[0, 0], [0, 0]]


def test_an_empty_json_is_told(coco, tmp_path):
    coco.images, coco.annotations = [], []
    coco.write()
    with pytest.raises(DataError, match=r"annotations\.json: lists no picture"):
        read(coco.config(), tmp_path)


@pytest.fixture(scope="module")
def taco_images(real_data, tmp_path_factory):
    """1500 pictures are listed, 100 of them are in the real data: empty files stand in for all."""
    folder = tmp_path_factory.mktemp("taco")
    for image in json.loads((real_data / "taco/annotations.json").read_bytes())["images"]:
        (folder / image["file_name"]).parent.mkdir(exist_ok=True)
        (folder / image["file_name"]).touch()
    return folder


@pytest.mark.data
def test_taco_as_it_is_published(real_data, taco_images, tmp_path):
    config = DataConfig(
        source="coco",
        path=real_data / "taco",
        annotations=Path("annotations.json"),
        images=taco_images,
    )
    source = read(config, tmp_path)
    assert (len(source.dataset.images), len(source.dataset.boxes)) == (1500, 4784)
    assert len(source.dataset.classes) == 60
    assert kinds(source) == {"duplicate_annotation_id": 2}
    boxes, sizes = source.dataset.boxes, source.dataset.images.sizes_wh[source.dataset.boxes.image]
    out = (boxes.xyxy[:, :2] < 0).any(axis=1) | (boxes.xyxy[:, 2:] > sizes).any(axis=1)
    assert out.sum() == 7


@pytest.mark.data
def test_detect_waste_without_its_orphans(real_data, taco_images, tmp_path):
    config = DataConfig(source="coco", path=real_data / "detect_waste", images=taco_images)
    source = read(config, tmp_path)
    dataset = source.dataset
    assert np.bincount(dataset.images.splits, minlength=3).tolist() == [1183, 0, 317]
    counts = {
        split: dict(
            zip(
                dataset.classes,
                np.bincount(
                    dataset.boxes.label[dataset.images.splits[dataset.boxes.image] == split], minlength=7
                ),
                strict=True,
            )
        )
        for split in (0, 2)
    }
    assert counts[0] == {
        "metals_and_plastic": 1928, "non_recyclable": 1089, "unknown": 377, "glass": 216,
        "paper": 208, "bio": 8, "other": 1,
    }  # fmt: skip
    assert counts[2] == {
        "metals_and_plastic": 475, "non_recyclable": 262, "unknown": 140, "glass": 32,
        "paper": 47, "bio": 0, "other": 1,
    }  # fmt: skip
    assert kinds(source) == {"no_file": 3647 + 915 - 1183 - 317}


@pytest.mark.parametrize(
    ("part", "field", "value", "expected"),
    [
        ("annotations", "bbox", [10**400, 1, 5, 5], "annotation 1: bbox should be 4 finite numbers"),
        ("annotations", "bbox", [1e308, 1, 1e308, 5], "annotation 1: bbox should be 4 finite numbers"),
        ("images", "width", 10**400, r"images\[0\]: width and height should be whole numbers"),
        ("images", "file_name", "n" * 5000 + ".png", r"images\[0\]: the file_name is too long"),
        ("images", "file_name", "\ud800.png", r"images\[0\]: the file_name is not valid Unicode"),
        ("categories", "name", "\udfff", r"categories\[0\]: the name is not valid Unicode"),
    ],
)
def test_values_that_no_column_holds_are_told(coco, tmp_path, part, field, value, expected):
    getattr(coco, part)[0][field] = value
    coco.write()
    with pytest.raises(DataError, match=expected) as caught:
        read(coco.config(), tmp_path)
    assert len(str(caught.value)) < 3000, "long values are cut"


def test_an_id_or_licences_of_another_kind_do_no_harm(coco, tmp_path):
    coco.annotations[3]["id"] = 10**30
    coco.write()
    path = coco.root / "annotations.json"
    path.write_text(path.read_text().replace('{"images"', '{"licenses": 5, "images"', 1))
    source = read(coco.config(), tmp_path)
    assert len(source.dataset.boxes) == 40
    assert source.metadata["annotations"][0]["licences"] == []


@pytest.mark.parametrize("content", ['{"images": ' + "9" * 5000 + "}", "[" * 200_000])
def test_json_that_python_gives_up_on(coco, tmp_path, content):
    (coco.root / "annotations.json").write_text(content)
    for look in (lambda: read(coco.config(), tmp_path), lambda: propose_config(coco.root)):
        with pytest.raises(DataError, match=r"annotations\.json: is (not|json)"):
            look()


def test_a_decomposed_name_is_found_and_named_composed(coco, tmp_path):
    (coco.root / "pics/000.png").rename(coco.root / "pics/e\u0301.png")
    coco.images[0]["file_name"] = "pics/e\u0301.png"
    coco.write()
    source = read(coco.config(), tmp_path)
    assert not source.repairs
    assert source.dataset.images.names[0] == "pics/\u00e9.png"
    assert Path(source.dataset.images.paths[0]).is_file()


def test_pictures_that_no_annotation_file_lists_are_told(coco, tmp_path, image):
    image((64, 48), 99).save(coco.root / "pics/extra.png")
    (coco.root / "pics/notes.txt").write_text("no picture")
    source = read(coco.config(), tmp_path)
    assert [(found.kind, found.image) for found in source.repairs] == [("not_listed", "pics/extra.png")]


@pytest.mark.parametrize("value", ["0", 0, False, None, ""])
def test_iscrowd_as_text(coco, tmp_path, value):
    coco.annotations[0]["iscrowd"] = value
    coco.annotations[1]["iscrowd"] = "1"
    coco.write()
    assert read(coco.config(), tmp_path).dataset.boxes.crowd.tolist() == [False, True] + [False] * 38


def test_iscrowd_of_another_kind_is_refused(coco, tmp_path):
    coco.annotations[0]["iscrowd"] = "no"
    coco.write()
    with pytest.raises(DataError, match=r"annotation 1: iscrowd should be 0 or 1 \(found: 'no'\)"):
        read(coco.config(), tmp_path)


@pytest.mark.parametrize("used", [False, True])
def test_roboflow_s_parent_class_goes_unless_a_box_is_of_it(coco, tmp_path, used):
    for category in coco.categories:
        category["supercategory"] = "animals"
    coco.categories.insert(0, {"id": 0, "name": "animals", "supercategory": "none"})
    if used:
        coco.annotations[0]["category_id"] = 0
    coco.write()
    source = read(coco.config(), tmp_path)
    assert source.dataset.classes == (("animals",) if used else ()) + ("dog", "cat", "emu")
    first = source.dataset.classes[source.dataset.boxes.label[0]]
    assert first == ("animals" if used else "cat")
    assert [source.dataset.classes[label] for label in source.dataset.boxes.label[1:4]] == [
        "dog",
        "dog",
        "emu",
    ]
    assert kinds(source) == ({} if used else {"placeholder_class": 1})


@pytest.mark.parametrize("root", ["/home/someone/export", "C:\\export"])
def test_absolute_names_of_another_machine(coco, tmp_path, root):
    for row in coco.images:
        row["file_name"] = f"{root}/{row['file_name']}".replace("/", "\\" if ":" in root else "/")
    coco.write()
    source = read(coco.config(images=coco.root / "pics"), tmp_path)
    assert (len(source.dataset.images), len(source.dataset.boxes)) == (20, 40)
    assert kinds(source) == {"absolute_name": 20}


@pytest.mark.parametrize("form", ["normalized", "xyxy"])
def test_boxes_in_another_form_are_refused(coco, tmp_path, form):
    for row in coco.annotations:
        x, y, w, h = row["bbox"]
        row["bbox"] = (
            [x / 64, y / 48, w / 64, h / 48] if form == "normalized" else [x + 20, y + 20, x + 40, y + 30]
        )
    coco.write()
    expected = "they look normalised" if form == "normalized" else "they look like corners"
    with pytest.raises(DataError, match=expected):
        prepare(coco.config(), tmp_path / "cache")


def test_a_link_to_itself_hides_no_other_file(coco, tmp_path):
    (coco.root / "pics/loop.png").symlink_to("loop.png")
    assert len(read(coco.config(), tmp_path).dataset.images) == 20


def test_fields_that_are_not_kept_are_counted(coco, tmp_path):
    coco.annotations[0]["segmentation"] = [[1, 1, 9, 1, 9, 9]]
    coco.write()
    assert read(coco.config(), tmp_path).metadata["not_kept"] == {"segmentation": 1}
