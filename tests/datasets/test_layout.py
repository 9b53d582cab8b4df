"""The written tree: both layouts say the same, nothing is half-written, one place for many processes."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.boxes import cxcywh_norm_to_xyxy
from bench.datasets import layout as writing
from bench.datasets.dataset import BoxTable, Dataset, Images
from bench.datasets.image_files import inspect
from bench.datasets.layout import Prepared, finished, write
from bench.datasets.repairs import Repair
from bench.errors import DataError, RunError
from bench.layout import SPLITS, Layout

MANIFEST = {"classes": ["cat", "dög"], "key": "0"}


def prepared(folder, image_files=9, sizes=None, boxes=None, crowd=None):
    """Three pictures a split; picture n holds n % 3 boxes, unless `boxes` has (image, label, xyxy) rows."""
    sizes = sizes or [(64 + row, 48) for row in range(image_files)]
    names = [f"pics/{row}.png" for row in range(len(sizes))]
    rows = boxes
    if rows is None:
        rows = [(n, k % 2, [1 + k, 2.25, 30.125 + n, 40]) for n in range(image_files) for k in range(n % 3)]
    (folder / "pics").mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    table = BoxTable.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], crowd)
    images = Images.of(names, [str(folder / name) for name in names], sizes, [0] * len(sizes))
    split = np.arange(len(sizes), dtype=np.int8) % 3
    return Prepared(Dataset(("cat", "dög"), images, table), split, [], [Repair("clipped", "pics/0.png")])


def yolo_boxes(layout, split, name, size_wh):
    options = (layout.labels_dir(split) / f"{name}.txt").read_text().split()
    rows = np.array(options, dtype=np.float64).reshape(-1, 5)
    return rows[:, 0].astype(int), cxcywh_norm_to_xyxy(rows[:, 1:], np.array(size_wh, float))


def test_the_tree_is_the_one_that_is_promised(tmp_path):
    layout = write(tmp_path / "out", prepared(tmp_path / "src"), MANIFEST)
    assert layout.classes == ("cat", "dög")
    assert sorted(path.name for path in layout.root.iterdir()) == [
        "annotations", "data.yaml", "images", "labels", "manifest.json", "repairs.csv",
    ]  # fmt: skip
    entry = yaml.safe_load(layout.data_yaml.read_text(encoding="utf-8"))
    assert entry == {
        "train": "images/train",
        "val": "images/val",
        "test": "images/test",
        "nc": 2,
        "names": {0: "cat", 1: "dög"},
    }
    assert (layout.root / "repairs.csv").read_text() == "kind,image,record,detail\nclipped,pics/0.png,,\n"
    for split in SPLITS:
        image_files = sorted(path.stem for path in layout.images_dir(split).iterdir())
        assert image_files == sorted(path.stem for path in layout.labels_dir(split).iterdir())
        assert len(image_files) == 3
    assert list(tmp_path.glob(".*")) == [], "no temporary is left"
    assert layout.root.stat().st_mode & 0o777 == 0o755


def test_pictures_are_links_to_the_originals(tmp_path):
    layout = write(tmp_path / "out", prepared(tmp_path / "src"), MANIFEST)
    link = layout.images_dir("train") / "pics__3.png"
    assert link.is_symlink()
    assert link.resolve() == (tmp_path / "src/pics/3.png").resolve()


def test_coco_and_yolo_hold_the_same_boxes(tmp_path):
    ready = prepared(tmp_path / "src")
    layout = write(tmp_path / "out", ready, MANIFEST)
    seen = 0
    for split in SPLITS:
        for example in layout.examples(split):
            labels, boxes = yolo_boxes(layout, split, example.path.stem, example.size_wh)
            assert labels.tolist() == example.labels.tolist()
            assert np.abs(boxes - example.boxes_xyxy).max(initial=0) < 0.01
            row = int(example.path.stem.rpartition("__")[2])
            mine = ready.dataset.boxes.image == row
            assert np.allclose(example.boxes_xyxy, ready.dataset.boxes.xyxy[mine], atol=1e-4)
            assert example.size_wh == (64 + row, 48)
            seen += len(labels)
    assert seen == 9


def test_ids_are_unique_over_all_splits(tmp_path):
    layout = write(tmp_path / "out", prepared(tmp_path / "src"), MANIFEST)
    trees = [json.loads(layout.coco_path(split).read_text(encoding="utf-8")) for split in SPLITS]
    for part in ("images", "annotations"):
        ids = [row["id"] for tree in trees for row in tree[part]]
        assert ids == list(range(1, 10))
    assert trees[0]["images"][1]["source"] == "pics/3.png"
    assert trees[0]["categories"] == [
        {"id": 1, "name": "cat", "supercategory": ""},
        {"id": 2, "name": "dög", "supercategory": ""},
    ]
    found = trees[1]["annotations"][0]
    assert found["area"] == pytest.approx(found["bbox"][2] * found["bbox"][3])


def test_crowds_are_judged_by_and_not_trained_on(tmp_path):
    boxes = [(0, 0, [1, 1, 9, 9]), (0, 1, [2, 2, 9, 9])]
    layout = write(
        tmp_path / "out", prepared(tmp_path / "src", 3, boxes=boxes, crowd=[True, False]), MANIFEST
    )
    (example,) = layout.examples("train")
    assert example.crowd.tolist() == [True, False]
    assert yolo_boxes(layout, "train", "pics__0", (64, 48))[0].tolist() == [1]


corner = st.floats(0, 1)


@settings(deadline=None, max_examples=25)
@given(
    size=st.tuples(st.integers(10, 20_000), st.integers(10, 20_000)),
    shares=st.lists(st.tuples(corner, corner, corner, corner), max_size=6),
)
def test_boxes_agree_to_a_hundredth_of_a_pixel(tmp_path_factory, size, shares):
    folder = tmp_path_factory.mktemp("agree")
    boxes = [
        (0, 0, [min(a, c) * size[0], min(b, d) * size[1], max(a, c) * size[0], max(b, d) * size[1]])
        for a, b, c, d in shares
    ]
    layout = write(folder / "out", prepared(folder / "src", sizes=[size] * 3, boxes=boxes), MANIFEST)
    (example,) = layout.examples("train")
    _, found = yolo_boxes(layout, "train", "pics__0", size)
    assert found.shape == example.boxes_xyxy.shape
    assert np.abs(found - example.boxes_xyxy).max(initial=0) < 0.01


def test_pictures_that_frameworks_read_apart_are_copied(tmp_path, image):
    ready = prepared(tmp_path / "src", 3)
    paths = ready.dataset.images.paths.tolist()
    image((64, 48), 0).save(paths[0])
    image((65, 48), 1).convert("CMYK").save(paths[1], format="JPEG")
    image((66, 48), 2).convert("P").save(paths[2])
    ready = Prepared(ready.dataset, ready.split, [inspect(path) for path in paths], [])
    layout = write(tmp_path / "out", ready, MANIFEST)
    assert (layout.images_dir("train") / "pics__0.png").is_symlink()
    for split, name in (("val", "pics__1.png"), ("test", "pics__2.png")):
        target = layout.images_dir(split) / name
        assert not target.is_symlink()
        with Image.open(target) as copy:
            assert (copy.format, copy.mode) == ("PNG", "RGB")


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(original, name, origin):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "link", full)
    with pytest.raises(RunError, match="the disk is full"):
        write(tmp_path / "cache/out", prepared(tmp_path / "src"), MANIFEST)
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_breaks_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_write_repairs", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "cache/out", prepared(tmp_path / "src"), MANIFEST)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_finished_layout_wins_and_a_ruin_does_not(tmp_path):
    first = write(tmp_path / "out", prepared(tmp_path / "src"), MANIFEST)
    mark = first.root / "mark"
    mark.touch()
    assert write(tmp_path / "out", prepared(tmp_path / "src"), MANIFEST) == first
    assert mark.exists(), "the one that stood there was kept"
    (first.root / "manifest.json").unlink()
    assert finished(first.root) is None
    again = write(tmp_path / "out", prepared(tmp_path / "src"), MANIFEST)
    assert not mark.exists()
    assert isinstance(finished(again.root), Layout)


@pytest.mark.parametrize("content", ["{", "{}", "[]", "\xff"])
def test_a_damaged_manifest_is_told_and_made_anew(content, tmp_path):
    layout = write(tmp_path / "out", prepared(tmp_path / "src"), MANIFEST)
    layout.manifest_path.write_text(content, encoding="latin-1")
    assert finished(layout.root) is None
    with pytest.raises(DataError, match=f"(?s)damaged.*delete {layout.root}"):
        Layout.open(layout.root)
    write(tmp_path / "out", prepared(tmp_path / "src"), MANIFEST)
    assert finished(layout.root) == layout


def test_a_cache_that_is_a_file_is_told(tmp_path):
    (tmp_path / "cache").touch()
    with pytest.raises(RunError, match=r"cache/out: can't be written: a file is in the place"):
        write(tmp_path / "cache/out", prepared(tmp_path / "src"), MANIFEST)


def test_what_a_killed_conversion_left_is_swept(tmp_path):
    left = tmp_path / ".coco-0123.abcdefgh"
    (left / "images").mkdir(parents=True)
    os.utime(left, (0, 0))
    write(tmp_path / "out", prepared(tmp_path / "src"), MANIFEST)
    assert not left.exists()


def test_a_file_system_without_links_gets_copies(tmp_path, monkeypatch):
    def refuse(original, name):
        raise PermissionError(errno.EPERM, "no links here")

    ready = prepared(tmp_path / "src")
    Path(ready.dataset.images.paths[0]).write_bytes(b"content")
    monkeypatch.setattr(os, "symlink", refuse)
    layout = write(tmp_path / "out", ready, MANIFEST)
    assert (layout.images_dir("train") / "pics__0.png").read_bytes() == b"content"
