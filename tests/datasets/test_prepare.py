"""The whole way, from folders to layouts."""

import csv
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data_config import DataConfig
from bench.datasets import prepare
from bench.errors import DataError
from bench.layout import SPLITS


def manifest_of(layout):
    return json.loads(layout.manifest_path.read_text(encoding="utf-8"))


def counts_of(manifest):
    return {kind: part["count"] for kind, part in manifest["repairs"].items()}


def test_coco_becomes_a_layout(coco, tmp_path):
    layout = prepare(coco.config(), tmp_path / "cache")
    assert layout.root.parent == tmp_path / "cache/datasets"
    manifest = manifest_of(layout)
    assert manifest["classes"] == list(layout.classes) == ["dog", "cat", "emu"]
    assert manifest["split"]["counts"] == {"train": 14, "val": 3, "test": 3}
    assert manifest["repairs"] == {}
    assert manifest["limit"] is None
    assert manifest["source"]["annotations"][0]["sha256"]
    assert sum(part["boxes"] for part in manifest["statistics"].values()) == 40
    assert sum(sum(part["classes"].values()) for part in manifest["statistics"].values()) == 40
    assert [len(layout.examples(split)) for split in SPLITS] == [14, 3, 3]
    for split in SPLITS:
        for example in layout.examples(split):
            with Image.open(example.path) as image:
                assert image.size == example.size_wh


def test_yolo_becomes_the_same_pixels(yolo, tmp_path):
    layout = prepare(yolo.config(), tmp_path / "cache")
    assert manifest_of(layout)["split"]["kind"] == "published"
    assert manifest_of(layout)["bit_depth"] is None
    example = next(e for e in layout.examples("train") if e.path.stem == "train01")
    assert example.boxes_xyxy.tolist() == [[24, 12, 40, 36]]
    assert example.labels.tolist() == [1]
    statistics = manifest_of(layout)["statistics"]["train"]
    assert (statistics["images"], statistics["background"], statistics["boxes"]) == (10, 2, 8)
    assert statistics["width_px"] == {"min": 64, "median": 64.0, "max": 64}
    assert statistics["sizes"] == {"small": 8, "medium": 0, "large": 0}


def test_the_manifest_has_the_depth_of_16_bit_images_and_the_median_size(coco, tmp_path):
    """Of width and height over all images: here one is much larger than the others."""
    for number in range(1, 20):
        Image.new("I;16", (64, 48), 900 + number).save(coco.root / f"pics/{number:03d}.png")
    Image.new("I;16", (640, 480), 4000).save(coco.root / "pics/000.png")
    coco.images[0] |= {"width": 640, "height": 480}
    coco.write()
    manifest = manifest_of(prepare(coco.config(), tmp_path / "cache"))
    assert manifest["bit_depth"] == 12
    (part,) = (part for part in manifest["statistics"].values() if part["width_px"]["max"] == 640)
    assert (part["width_px"]["median"], part["height_px"]["median"]) == (64, 48)


def test_everything_that_was_mended_is_counted_and_listed(coco, tmp_path):
    (coco.root / "pics/000.png").unlink()
    (coco.root / "pics/001.png").write_bytes(b"")
    whole = (coco.root / "pics/002.png").read_bytes()
    (coco.root / "pics/002.png").write_bytes(whole[: len(whole) // 2])
    coco.images[3].update(width=128, height=96)
    coco.box(5, [60, 40, 30, 30])
    coco.box(5, [10, 10, 0, 5])
    coco.box(6, None, segmentation=[[1, 1, 9, 1, 9, 9]])
    coco.box(999, [1, 1, 5, 5])
    coco.write()
    layout = prepare(coco.config(), tmp_path / "cache")
    manifest = manifest_of(layout)
    assert counts_of(manifest) == {
        "clipped": 1,
        "degenerate": 1,
        "polygon": 1,
        "orphan_annotation": 1,
        "no_file": 1,
        "resized": 1,
        "unreadable": 2,
    }
    assert manifest["repairs"]["clipped"]["listed"] == [
        {
            "image": "pics/004.png",
            "record": "annotation 41",
            "detail": "(60, 40, 90, 70) -> (60, 40, 64, 48)",
        }
    ]
    with (layout.root / "repairs.csv").open(newline="", encoding="utf-8") as file:
        assert Counter(row["kind"] for row in csv.DictReader(file)) == counts_of(manifest)
    assert sum(manifest["split"]["counts"].values()) == 17


def test_a_class_table_and_a_limit_are_told_of(coco, tmp_path):
    table = {"classes": {"pet": ["cat", "dog"]}, "drop": ["emu"]}
    layout = prepare(coco.config(classes=table, limit=10), tmp_path / "cache")
    manifest = manifest_of(layout)
    assert layout.classes == ("pet",)
    assert manifest["table"]["rows"][2] == {"source": "emu", "class": None, "boxes": 13}
    assert manifest["limit"] == {"images": 10, "of": 20, "how": "a stratified share of each split"}
    assert sum(manifest["split"]["counts"].values()) == 10


def test_a_second_call_reuses_what_stands_there(coco, tmp_path):
    first = prepare(coco.config(), tmp_path / "cache")
    before = first.manifest_path.stat().st_mtime_ns
    told = []
    again = prepare(coco.config(), tmp_path / "cache", lambda *settings: told.append(settings))
    assert again == first
    assert first.manifest_path.stat().st_mtime_ns == before
    assert {settings[0] for settings in told} == {"reading annotations"}, "no picture was opened again"


def test_whatever_changes_the_data_makes_another_layout(coco, tmp_path):
    roots = [prepare(coco.config(), tmp_path / "cache").root]

    def changed(**more):
        roots.append(prepare(coco.config(**more), tmp_path / "cache").root)
        assert len(set(roots)) == len(roots)

    changed(limit=10)
    changed(split={"seed": 1})
    changed(classes={"classes": {"pet": ["cat", "dog", "emu"]}})
    coco.annotations[0]["bbox"][0] += 1
    coco.write()
    changed()
    os.utime(coco.root / "pics/000.png", (1, 1))
    changed()


def test_the_key_is_of_the_content_and_not_of_the_place(coco, tmp_path):
    here = manifest_of(prepare(coco.config(), tmp_path / "cache"))
    moved = tmp_path / "elsewhere"
    coco.root.rename(moved)
    os.utime(moved / "pics/000.png", (1, 1))
    config = DataConfig(source="coco", path=moved)
    there = prepare(config, tmp_path / "other")
    assert manifest_of(there)["key"] == here["key"]
    Image.new("RGB", (64, 48)).save(moved / "pics/000.png")
    assert manifest_of(prepare(config, tmp_path / "other"))["key"] != here["key"]


def test_the_order_of_the_annotations_has_no_say(coco, tmp_path):
    key = manifest_of(prepare(coco.config(), tmp_path / "cache"))["key"]
    coco.images.reverse()
    coco.annotations.reverse()
    coco.write()
    assert manifest_of(prepare(coco.config(), tmp_path / "cache"))["key"] == key


def test_pictures_turned_by_exif_agree_in_size_boxes_and_pixels(coco, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((48, 64, 3), dtype=np.uint8)
    pixels[10:20, 5:35] = 255
    Image.fromarray(pixels).save(coco.root / "pics/000.png", exif=exif)
    coco.annotations = [a for a in coco.annotations if a["image_id"] != 1]
    coco.box(1, [5, 10, 30, 10])
    coco.write()
    layout = prepare(coco.config(), tmp_path / "cache")
    assert counts_of(manifest_of(layout)) == {"oriented": 1, "oriented_boxes": 1}
    example = next(e for split in SPLITS for e in layout.examples(split) if e.path.stem == "pics__000")
    assert example.size_wh == (48, 64)
    left, top, right, bottom = example.boxes_xyxy[0].astype(int)
    with Image.open(example.path) as image:
        bright = np.asarray(image)[..., 0] > 128
    assert bright.shape == (64, 48)
    assert bright[top:bottom, left:right].all()
    assert bright.sum() == 300


@pytest.mark.parametrize("source", ["coco", "yolo"])
def test_no_such_folder(source, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        prepare(DataConfig(source=source, path=tmp_path / "nowhere"), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_bad_data_leaves_nothing_behind(coco, tmp_path):
    for config in (
        coco.config(split={"kind": "published"}),
        coco.config(classes={"classes": {"cat": None}}),
        coco.config(classes="no-such-table"),
    ):
        with pytest.raises(DataError):
            prepare(config, tmp_path / "cache")
    coco.annotations[0]["category_id"] = 77
    coco.write()
    with pytest.raises(DataError):
        prepare(coco.config(), tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["images-1.sqlite"]


@pytest.mark.slow
def test_two_processes_at_once_share_one_layout(coco, tmp_path):
    """Both start from a signal, write at the same time, and both end with a whole layout."""
    script = tmp_path / "one.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from bench.data_config import DataConfig\n"
        "from bench.datasets import prepare\n"
        "go = Path(sys.argv[3])\n"
        "go.with_name(sys.argv[4]).touch()\n"
        "while not go.exists(): time.sleep(0.002)\n"
        "layout = prepare(DataConfig(source='coco', path=Path(sys.argv[1])), Path(sys.argv[2]))\n"
        "print(layout.root, sum(len(layout.examples(s)) for s in ('train', 'val', 'test')))\n"
    )
    settings = [sys.executable, str(script), str(coco.root), str(tmp_path / "cache"), str(tmp_path / "go")]
    running = [
        subprocess.Popen([*settings, f"ready{n}"], stdout=subprocess.PIPE, text=True) for n in range(2)
    ]
    end = time.monotonic() + 60
    while not all((tmp_path / f"ready{n}").exists() for n in range(2)) and time.monotonic() < end:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    answers = [process.communicate(timeout=60)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert answers[0] == answers[1]
    assert answers[0][1] == "20"
    assert [path.name for path in (tmp_path / "cache/datasets").iterdir()] == [Path(answers[0][0]).name]


def test_importing_the_data_room_is_cheap():
    probe = "import sys, bench.datasets; print({'torch', 'pandas', 'matplotlib'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert answer.stdout.strip() == "set()", answer.stderr


@pytest.mark.data
@pytest.mark.slow
def test_real_camera_pictures(real_data, tmp_path):
    config = DataConfig(source="taco", path=real_data / "taco", classes="taco-7")
    manifest = manifest_of(prepare(config, tmp_path / "cache"))
    assert counts_of(manifest) == {"no_file": 1400, "duplicate_annotation_id": 2}
    assert sum(part["boxes"] for part in manifest["statistics"].values()) == 294
    assert manifest["source"]["licence"].startswith("CC BY 4.0")


@pytest.mark.data
@pytest.mark.slow
def test_fracture_and_limit(real_data, tmp_path):
    config = DataConfig(source="fracture", path=real_data / "fracture", classes="fracture", limit=300)
    layout = prepare(config, tmp_path / "cache")
    manifest = manifest_of(layout)
    assert manifest["split"]["counts"] == {"train": 263, "val": 25, "test": 12}
    assert manifest["split"]["shared_groups"] == 148
    assert counts_of(manifest) == {"polygon": 1884}


def test_images_that_look_alike_stay_together_where_that_is_asked_for(tmp_path):
    """20 photos, each also a little brighter: apart by default, together on request."""
    dice = np.random.default_rng(0)
    images, boxes = [], []
    for number in range(20):
        noise = Image.fromarray(dice.integers(0, 220, (8, 8, 3), dtype=np.uint8)).resize((96, 96))
        for copy, image in (("a", noise), ("b", noise.point(lambda v: v + 3))):
            row = {"id": len(images) + 1, "file_name": f"{number}{copy}.png"}
            image.save(tmp_path / row["file_name"])
            images.append({**row, "width": image.width, "height": image.height})
            boxes.append({"id": row["id"], "image_id": row["id"], "category_id": 1, "bbox": [2, 2, 9, 9]})
    coco = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "it"}]}
    (tmp_path / "annotations.json").write_text(json.dumps(coco))

    def prepared(near):
        config = DataConfig(
            source="coco",
            path=tmp_path,
            annotations="annotations.json",
            split={"kind": "random", "near_duplicates": near},
        )
        layout = prepare(config, tmp_path / "cache")
        rows = [
            (image["source"].rstrip("abgnp."), split, image.get("group"))
            for split in SPLITS
            for image in json.loads(layout.coco_path(split).read_text())["images"]
        ]
        apart = len({row[:2] for row in rows}) - 20
        return apart, {row[0::2] for row in rows}, manifest_of(layout)["split"].get("near_duplicates")

    apart, groups, account = prepared(near=False)
    assert apart > 3
    assert {group for _, group in groups} == {None}
    assert account is None
    apart, groups, account = prepared(near=True)
    assert apart == 0
    assert len(groups) == len({group for _, group in groups} - {None}) == 20
    assert account == {"groups": 20, "largest": 2, "across_splits": 0}
