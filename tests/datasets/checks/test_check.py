"""Every kind of finding, planted in a dataset that has none."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bench.cli.app import app
from bench.datasets.checks import Example, check_folder
from bench.datasets.checks.page import render, thumbnail
from bench.datasets.perceptual_hash import NEAR, near_pairs, perceptual_hash
from bench.datasets.sources import scenes


@pytest.fixture
def findings(tmp_path):
    """Checks a folder, gives the findings by kind."""

    def run(root, **more):
        report = check_folder(root, tmp_path / "cache", **more)
        return {finding.kind: finding for finding in report.findings}

    return run


@pytest.fixture
def sound(make_yolo):
    """Published splits with enough boxes of each class in all of them."""
    return make_yolo({"train": 30, "val": 20, "test": 20}, names=("cat", "dog"), seeds=True)


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_sound_data_has_no_findings_and_is_not_touched(sound, findings):
    before = files_of(sound.root)
    assert findings(sound.root) == {}
    assert files_of(sound.root) == before


def box_row(coco, bbox, category_id=5, **more):
    coco.box(1, bbox, category_id, **more)
    coco.write()
    return f"annotation {coco.annotations[-1]['id']}"


@pytest.mark.parametrize(
    ("kind", "severity", "bbox"),
    [
        ("clipped", "warning", [50, 30, 30, 30]),
        ("outside", "warning", [70, 50, 10, 10]),
        ("degenerate", "warning", [10, 10, 0, 5]),
        ("tiny", "info", [40, 30, 3, 10]),
        ("covers_all", "info", [0, 0, 64, 48]),
    ],
)
def test_boxes(coco, findings, kind, severity, bbox):
    record = box_row(coco, bbox)
    finding = findings(coco.root)[kind]
    assert (finding.severity, finding.count) == (severity, 1)
    (example,) = finding.examples
    assert (example.image, example.record) == ("pics/000.png", record)
    assert example.file.endswith("annotations.json")
    assert example.boxes_xyxy == ((bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]),)


def test_crowds_are_told(coco, findings):
    box_row(coco, [1, 1, 30, 30], iscrowd=1)
    assert findings(coco.root)["crowd"].count == 1


@pytest.mark.parametrize(
    ("kind", "shift", "category"),
    [("repeated", 0.0, 5), ("near_duplicate", 0.25, 5), ("two_classes", 0.0, 2)],
)
def test_boxes_that_mean_one_object(coco, findings, kind, shift, category):
    box_row(coco, [30, 20, 20, 20])
    box_row(coco, [30 + shift, 20, 20, 20], category)
    found = findings(coco.root)
    assert {"repeated", "near_duplicate", "two_classes"} & set(found) == {kind}
    assert found[kind].examples[0].record == "annotation 42 and annotation 41"


@pytest.mark.parametrize("form", ["normalized", "xyxy"])
def test_boxes_in_another_form(coco, findings, form):
    for row in coco.annotations:
        x, y, w, h = row["bbox"]
        row["bbox"] = (
            [x / 64, y / 48, w / 64, h / 48] if form == "normalized" else [x + 20, y + 20, x + 40, y + 30]
        )
    coco.write()
    finding = findings(coco.root)[f"boxes_{form}"]
    assert (finding.severity, finding.count) == ("error", 40)


def test_files(coco, findings):
    (coco.root / "pics/000.png").write_bytes(b"")
    (coco.root / "pics/001.png").write_bytes(b"no picture")
    (coco.root / "pics/002.png").unlink()
    Image.effect_noise((64, 48), 50).save(coco.root / "pics/003.png", format="JPEG")
    Image.effect_noise((64, 48), 50).save(coco.root / "pics/extra.png")
    Image.effect_noise((48, 30), 50).save(coco.root / "pics/004.png")
    found = findings(coco.root)
    expected = {
        "empty_file": ("error", "pics/000.png"),
        "unreadable": ("error", "pics/001.png"),
        "missing": ("warning", "pics/002.png"),
        "wrong_suffix": ("warning", "pics/003.png"),
        "not_listed": ("warning", "pics/extra.png"),
        "size_disagrees": ("error", "pics/004.png"),
    }
    seen = {kind: (found[kind].severity, found[kind].examples[0].image) for kind in expected}
    assert seen == expected
    assert "2 of 40 boxes" in found["missing"].message


def test_names_that_differ_by_case(coco, findings):
    coco.images[1]["file_name"] = "pics/A.png"
    coco.images[2]["file_name"] = "pics/a.png"
    (coco.root / "pics/001.png").rename(coco.root / "pics/A.png")
    (coco.root / "pics/002.png").rename(coco.root / "pics/a.png")
    coco.write()
    assert findings(coco.root)["names_differ_by_case"].count == 1


def test_orphans_are_told_from_pictures_that_exist_elsewhere(coco, findings, tmp_path):
    for number in range(6):
        (coco.root / f"pics/{number:03d}.png").unlink()
    known = tmp_path / "known.txt"
    known.write_text("\n".join(f"pics/{number:03d}.png" for number in range(2, 20)))
    found = findings(coco.root, known=known)
    assert (found["missing"].count, found["orphans"].count) == (6, 2)
    assert "4 of 40 boxes" in found["orphans"].message


def test_bad_rows_are_findings_and_the_rest_is_checked(coco, findings):
    coco.annotations[0]["category_id"] = 77
    coco.annotations[1]["bbox"] = [1, 2, 3]
    box_row(coco, [50, 30, 30, 30])
    report = findings(coco.root)
    assert report["bad_row"].severity == "error"
    assert report["clipped"].count == 1


def test_what_is_no_annotation_file_is_an_error(coco, findings):
    (coco.root / "annotations.json").write_text("{")
    assert findings(coco.root)["unusable"].severity == "error"


def test_classes(sound, findings):
    sound.yaml("train: train/images\nval: val/images\ntest: test/images\nnames: [cat, dog, Cat, eel, fox]")
    sound.add("train", "rare", "3 0.5 0.5 0.2 0.2\n", seed=900)
    found = findings(sound.root)
    assert [e.detail for e in found["unused_class"].examples] == ["Cat", "fox"]
    assert [e.detail for e in found["rare_class"].examples] == ["eel: 1"]
    assert [e.detail for e in found["class_missing_from_split"].examples] == [
        "eel: none in val",
        "eel: none in test",
    ]
    assert [e.detail for e in found["similar_class_names"].examples] == ["'cat' / 'Cat'"]


def test_classes_that_count_from_one(sound, findings):
    for label in sound.root.glob("*/labels/*.txt"):
        label.write_text(
            "".join(f"{int(line[0]) + 1}{line[1:]}" for line in label.read_text().splitlines(True))
        )
    found = findings(sound.root)
    assert found["classes_off_by_one"].severity == "error"
    assert found["bad_row"].count == found["classes_off_by_one"].count == 28


def test_identical_pictures(sound, findings):
    shutil.copy(sound.root / "train/images/train00.png", sound.root / "test/images/twin.png")
    shutil.copy(sound.root / "train/images/train01.png", sound.root / "train/images/again.png")
    found = findings(sound.root)
    assert found["identical_across_splits"].severity == "error"
    (example,) = found["identical_across_splits"].examples
    assert (example.image, example.detail) == (
        "test/images/twin.png",
        "(test) like train/images/train00.png (train)",
    )
    assert (Path(example.path).name, Path(example.other_path).name) == ("twin.png", "train00.png")
    assert found["identical_within_split"].count == 1


def test_near_duplicates(sound, findings):
    smooth = Image.fromarray(scenes.draw(0, 0, 96).pixels)
    smooth.save(sound.root / "train/images/train00.png")
    smooth.save(sound.root / "val/images/near.jpg", quality=90)
    smooth.transpose(Image.Transpose.ROTATE_180).save(sound.root / "val/images/turned.png")
    found = findings(sound.root)
    assert found["near_duplicates_across_splits"].count == 1
    assert found["near_duplicates_across_splits"].examples[0].image == "val/images/near.jpg"


@pytest.mark.parametrize("alike", [True, False])
def test_groups_on_both_sides(sound, findings, alike):
    for split, number in (("train", 1), ("train", 2), ("val", 3), ("test", 4)):
        stem = f"arm_{number % 2}_jpg.rf.{number:032x}"
        sound.add(split, stem, "0 0.5 0.5 0.2 0.2\n", seed=500 if alike else 500 + number)
    finding = findings(sound.root)["groups_across_splits"]
    assert (finding.severity, finding.count) == ("error" if alike else "warning", 2)
    assert f"in {2 if alike else 0} of these groups pictures on both sides look alike" in finding.message
    assert "2 of 72 groups" in finding.message
    assert "1 of 21 pictures in val (5%) and 1 of 21 pictures in test (5%)" in finding.message


def test_unbalanced_splits(make_yolo, findings):
    folder = make_yolo({"train": 30, "val": 20}, seeds=True)
    for label in (folder.root / "val/labels").glob("*.txt"):
        label.write_text(label.read_text().replace("0 ", "1 ", 1))
    finding = findings(folder.root)["unbalanced_classes"]
    assert "those of val are" in finding.message
    assert "class_missing_from_split" in findings(folder.root)


def test_near_pairs_are_all_pairs_within_reach():
    dice = np.random.default_rng(0)
    hashes = dice.integers(0, 1 << 63, 300, dtype=np.uint64)
    for row in range(0, 100, 4):
        flips = dice.choice(64, row // 4 % 9, replace=False)
        hashes[row + 1] = hashes[row] ^ np.uint64(sum(1 << int(bit) for bit in flips))
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    expected = np.argwhere(np.triu(apart <= NEAR, k=1))
    assert near_pairs(hashes).tolist() == expected.tolist()


def test_a_perceptual_hash_survives_scaling_and_compression():
    original = Image.fromarray(scenes.draw(0, 0, 640).pixels)
    hashes = [perceptual_hash(one) for one in (original, original.resize((200, 200)), original.convert("L"))]
    assert max((hashes[0] ^ other).bit_count() for other in hashes) <= NEAR
    others = [perceptual_hash(Image.fromarray(scenes.draw(0, n, 96).pixels)) for n in range(1, 20)]
    assert min((hashes[0] ^ other).bit_count() for other in others) > NEAR


def test_the_command(coco, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    command = CliRunner()
    box_row(coco, [50, 30, 30, 30])
    page = tmp_path / "page.html"
    result = command.invoke(app, ["data", "check", str(coco.root), "-o", str(page)])
    assert result.exit_code == 1, result.output
    assert "1 boxes that extend beyond their picture (1 of 41)" in result.output
    assert "pics/000.png, annotation 41" in result.output
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 1
    assert "data:image/jpeg;base64," in text
    result = command.invoke(app, ["data", "check", str(coco.root), "--json"])
    report = json.loads(result.output)
    assert (report["exit_code"], report["findings"][0]["kind"]) == (1, "clipped")
    (coco.root / "pics/000.png").write_bytes(b"")
    assert command.invoke(app, ["data", "check", str(coco.root)]).exit_code == 2


def test_a_thumbnail_shows_the_box_where_it_is(tmp_path):
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    whole = thumbnail(Example(path=str(tmp_path / "a.png"), boxes_xyxy=((100, 40, 500, 440),)))
    assert (whole.width, whole.height, whole.boxes_xywh) == (320, 240, ((50, 20, 200, 200),))
    part = thumbnail(Example(path=str(tmp_path / "a.png"), boxes_xyxy=((300, 200, 340, 240),)))
    ((x, y, w, h),) = part.boxes_xywh
    assert part.width == part.height == 161
    assert (x, y, w, h) == pytest.approx((60, 60, 40, 40), abs=1)
    none = thumbnail(Example(path=str(tmp_path / "a.png"), boxes_xyxy=((300, 200, 300, 200),)))
    assert none.boxes_xywh[0][2:] == (6, 6)


def test_names_on_the_page_are_text(coco, tmp_path):
    coco.categories[0]["name"] = "<script>alert(1)</script>"
    box_row(coco, [50, 30, 30, 30])
    page = render(check_folder(coco.root, tmp_path / "cache"))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.data
@pytest.mark.slow
def test_the_real_folders(real_data, findings, tmp_path):
    fracture = findings(real_data / "fracture")["groups_across_splits"]
    assert fracture.message.startswith("148 of 1,342 groups")
    assert "in 0 of these groups pictures on both sides look alike" in fracture.message
    assert findings(real_data / "bccd")["degenerate"].count == 2
    known = real_data / "taco/annotations.json"
    waste = findings(real_data / "detect_waste", images=real_data / "taco", known=known)["orphans"]
    assert waste.message.startswith(
        "3,062 listed pictures are in no list of known ones, and with them 9,502 of 14,286"
    )


@pytest.mark.parametrize(
    ("kind", "ring"),
    [
        ("polygon_few_points", [1, 1, 9, 9]),
        ("polygon_crosses", [1, 1, 9, 9, 9, 1, 1, 9]),
        ("polygon_crosses", [0, 0, 10, 0, 10, 10, 5, -5, 0, 10]),
        (None, [1, 1, 9, 1, 9, 9, 1, 9]),
        (None, [0, 0, 9, 0, 9, 9, 5, 1, 0, 9]),  # concave
        (None, [0, 0, 5, 0, 9, 0, 9, 9, 9, 0, 5, 5]),  # goes back along a side, touches a corner
    ],
)
def test_polygons_that_are_no_outline(coco, findings, kind, ring):
    record = box_row(coco, [1, 1, 9, 9], segmentation=[ring])
    found = {name: one for name, one in findings(coco.root).items() if name.startswith("polygon")}
    assert set(found) == ({kind} if kind else set())
    if kind:
        assert (found[kind].count, found[kind].severity) == (1, "info")
        assert found[kind].examples[0].record == record
        assert found[kind].examples[0].image == "pics/000.png"


def test_odd_segmentations_are_no_polygons(coco, findings):
    for odd in ({"counts": "x", "size": [9, 9]}, [["a", "b"]], [[1, 2, 3]], [[[1, 2], [3, 4]]], [None], [[]]):
        box_row(coco, [1, 1, 9, 9], segmentation=odd)
    found = findings(coco.root)
    assert "polygon_crosses" not in found
