"""Pascal VOC xml."""

from collections import Counter

import pytest
from PIL import Image

from bench.data_config import DataConfig
from bench.datasets import prepare, propose_config
from bench.datasets.dataset import NO_SPLIT
from bench.datasets.reading import read, read_sound
from bench.errors import DataError


def entry(name, box, difficult=0):
    sides = "".join(
        f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"


class VocFolder:
    """A VOC dataset that is sound: 12 pictures of 64 x 48 with a cat and a dog each."""

    def __init__(self, root, image):
        self.root = root
        (root / "JPEGImages").mkdir(parents=True)
        (root / "Annotations").mkdir()
        for number in range(12):
            image((64, 48), number).save(root / f"JPEGImages/{number:03d}.png")
            self.xml(f"{number:03d}", entry("cat", (4, 5, 24, 15)) + entry("dog", (30, 20, 50.5, 40)))

    def xml(
        self,
        stem,
        objects,
        file_name=None,
        size="<size><width>64</width><height>48</height></size>",
        database="",
    ):
        text = f"<annotation><filename>{file_name or f'{stem}.png'}</filename>{size}"
        text += f"<source><database>{database}</database></source>{objects}</annotation>"
        (self.root / f"Annotations/{stem}.xml").write_text(text, encoding="utf-8")

    def config(self, **more):
        return DataConfig.model_validate({"source": "voc", "path": self.root, **more})


@pytest.fixture
def voc(tmp_path, image):
    return VocFolder(tmp_path / "voc", image)


def kinds(source):
    return Counter(repair.kind for repair in source.repairs)


def test_columns_say_what_the_files_say(voc, tmp_path):
    source = read_sound(voc.config(), tmp_path)
    dataset = source.dataset
    assert dataset.classes == ("cat", "dog")
    assert dataset.boxes.xyxy[:2].tolist() == [[4, 5, 24, 15], [30, 20, 50.5, 40]]
    assert dataset.boxes.label.tolist() == [0, 1] * 12
    assert dataset.images.sizes_wh.tolist() == [[64, 48]] * 12
    assert dataset.images.names[3] == "JPEGImages/003.png"
    assert set(dataset.images.splits) == {NO_SPLIT}
    assert not source.repairs
    assert "source: voc" in propose_config(voc.root)
    assert len(prepare(voc.config(), tmp_path / "cache").examples("train")) == 8


def test_image_sets_publish_splits(voc, tmp_path):
    sets = voc.root / "ImageSets/Main"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("".join(f"{n:03d}\n" for n in range(8)))
    (sets / "val.txt").write_text("008  1\n009 -1\n")
    (sets / "test.txt").write_text("010\n011\n")
    assert read_sound(voc.config(), tmp_path).dataset.images.splits.tolist() == [0] * 8 + [1, 1, 2, 2]


def test_a_folder_for_each_split(voc, tmp_path):
    flat = tmp_path / "flat"
    for number in range(12):
        place = flat / ("train", "valid", "test")[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        (voc.root / f"JPEGImages/{number:03d}.png").rename(place / f"{number:03d}.png")
        (voc.root / f"Annotations/{number:03d}.xml").rename(place / f"{number:03d}.xml")
    source = read_sound(DataConfig(source="voc", path=flat), tmp_path)
    assert sorted(source.dataset.images.splits.tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    assert source.dataset.images.names[0] == "train/000.png"


@pytest.mark.parametrize(
    ("difficult", "boxes", "crowds"), [("ignore", 24, 1), ("keep", 24, 0), ("drop", 23, 0)]
)
def test_difficult_objects(voc, tmp_path, difficult, boxes, crowds):
    voc.xml("000", entry("cat", (4, 5, 24, 15), 1) + entry("dog", (30, 20, 50, 40)))
    source = read_sound(voc.config(voc={"difficult": difficult}), tmp_path)
    assert (len(source.dataset.boxes), int(source.dataset.boxes.crowd.sum())) == (boxes, crowds)
    assert source.metadata["difficult"] == {"boxes": 1, "treated_as": difficult}


def test_the_challenge_s_own_pixels_count_from_one(voc, tmp_path):
    voc.xml("000", entry("cat", (1, 1, 64, 48)), database="The VOC2007 Database")
    assert read_sound(voc.config(), tmp_path).dataset.boxes.xyxy[0].tolist() == [0, 0, 64, 48]
    config = voc.config(voc={"one_based": False})
    assert read_sound(config, tmp_path).dataset.boxes.xyxy[0].tolist() == [1, 1, 64, 48]


def test_missing_sizes_names_without_a_suffix_and_pictures_that_lack(voc, tmp_path, image):
    voc.xml("000", entry("cat", (4, 5, 24, 15)), size="")
    voc.xml("001", entry("cat", (4, 5, 24, 15)), size="<size><width>0</width><height>0</height></size>")
    voc.xml("002", "", file_name="C:\\photos\\002.png")
    voc.xml("003", "", file_name="003")
    (voc.root / "JPEGImages/004.png").unlink()
    image((64, 48), 99).save(voc.root / "JPEGImages/extra.png")
    source = read_sound(voc.config(), tmp_path)
    assert source.dataset.images.sizes_wh[:3].tolist() == [[0, 0], [0, 0], [64, 48]]
    assert len(source.dataset.images) == 11
    assert kinds(source) == {"no_file": 1, "not_listed": 1}
    assert len(source.missing.boxes) == 2
    assert prepare(voc.config(), tmp_path / "cache")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<annotation", "is not xml"),
        (b"\xff\xfe\x00", "is not xml"),
        (b"<html></html>", "is not Pascal VOC"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "declares a document type"),
        (
            b"<annotation><object><name> </name></object></annotation>",
            "object 1: has no name|4 finite numbers",
        ),
        (entry("cat", (1, 2, "x", 4)).join(["<annotation>", "</annotation>"]).encode(), "4 finite numbers"),
        (entry("cat", (1, 2, "nan", 4)).join(["<annotation>", "</annotation>"]).encode(), "4 finite numbers"),
        (b"<a>" * 100_000, "is not xml"),
    ],
)
def test_bad_files_are_named(voc, tmp_path, content, expected):
    (voc.root / "Annotations/005.xml").write_bytes(content)
    with pytest.raises(DataError, match=f"005\\.xml.*({expected})"):
        read_sound(voc.config(), tmp_path)
    assert len(read(voc.config(), tmp_path).dataset.images) >= 11


@pytest.mark.data
def test_blood_cells(real_data, tmp_path):
    source = read_sound(DataConfig(source="voc", path=real_data / "bccd"), tmp_path)
    assert (len(source.dataset.images), len(source.dataset.boxes)) == (364, 4888)
    assert source.dataset.classes == ("Platelets", "RBC", "WBC")


def test_the_size_of_the_file_decides(voc, tmp_path):
    Image.new("RGB", (128, 96)).save(voc.root / "JPEGImages/000.png")
    layout = prepare(voc.config(), tmp_path / "cache")
    boxes = [e for s in ("train", "val", "test") for e in layout.examples(s) if e.path.stem.endswith("000")]
    assert boxes[0].boxes_xyxy[0].tolist() == [8, 10, 48, 30]
