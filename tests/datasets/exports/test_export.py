"""What is written can be read again, box by box."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from bench.cli.app import app
from bench.data_config import DataConfig
from bench.datasets.dataset import BoxTable
from bench.datasets.exports import FORMATS, Resize, export
from bench.datasets.image_files import inspect_all
from bench.datasets.prepare import build
from bench.datasets.reading import read_sound
from bench.datasets.settle import settle
from bench.errors import ConfigError


def written(config, root, to, cache, **more):
    prepared, manifest = build(read_sound(config, cache), config, cache)
    return export(root, to, prepared, manifest, **more)


def boxes_by_picture(config, cache):
    """Name -> rows of (class, x1, y1, x2, y2) in pixels."""
    source = read_sound(config, cache)
    dataset = settle(source, inspect_all(source.dataset.images.paths.tolist()))[0]
    found = {name.rpartition("/")[2].rpartition(".")[0]: [] for name in dataset.images.names.tolist()}
    for image, label, xyxy in zip(
        dataset.boxes.image.tolist(), dataset.boxes.label.tolist(), dataset.boxes.xyxy.tolist(), strict=True
    ):
        name = dataset.images.names[image].rpartition("/")[2].rpartition(".")[0]
        found[name].append((dataset.classes[label], *xyxy))
    return {name: sorted(rows) for name, rows in found.items()}


def same(one, other, tolerance=1e-3):
    assert one.keys() == other.keys()
    for name, rows in one.items():
        assert [row[0] for row in rows] == [row[0] for row in other[name]]
        if rows:
            apart = np.array([row[1:] for row in rows]) - np.array([row[1:] for row in other[name]])
            assert np.abs(apart).max() < tolerance, name


@pytest.mark.slow
@settings(max_examples=5, suppress_health_check=list(HealthCheck), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), decimals=st.integers(0, 6))
def test_a_way_through_all_formats_keeps_every_box(coco, tmp_path_factory, seed, decimals):
    """COCO -> YOLO -> VOC -> csv -> COCO."""
    tmp_path = tmp_path_factory.mktemp("way")
    dice = np.random.default_rng(seed)
    coco.annotations.clear()
    for image in range(1, 21):
        for category in (5, 2, 9):
            x, y, w, h = np.round(dice.uniform((0, 0, 2, 2), (50, 40, 14, 8)), decimals).tolist()
            coco.box(image, [x, y, w, h], category)
    coco.write()
    first = boxes_by_picture(coco.config(), tmp_path)
    first = {f"pics__{name}": rows for name, rows in first.items()}
    config = coco.config()
    for number, to in enumerate(("yolo", "voc", "csv", "coco")):
        root = tmp_path / f"{number}-{to}"
        written(config, root, to, tmp_path / "cache")
        config = DataConfig(source=to, path=root)
        same(boxes_by_picture(config, tmp_path), first)


@pytest.mark.parametrize("to", list(FORMATS))
def test_splits_classes_and_background_survive(yolo, tmp_path, to):
    written(yolo.config(), tmp_path / "out", to, tmp_path / "cache")
    source = read_sound(DataConfig(source=to, path=tmp_path / "out"), tmp_path)
    assert np.bincount(source.dataset.images.splits, minlength=3).tolist() == [10, 5, 5]
    assert source.dataset.classes == ("cat", "dog")
    assert len(source.dataset.boxes) == 16
    assert not source.repairs


@pytest.mark.parametrize("to", list(FORMATS))
def test_a_folder_can_be_carried(coco, tmp_path, to):
    written(coco.config(), tmp_path / "out", to, tmp_path / "cache", images="copy")
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    coco.root.rename(tmp_path / "gone")
    source = read_sound(DataConfig(source=to, path=tmp_path / "elsewhere"), tmp_path)
    assert not any(Path(path).is_symlink() for path in source.dataset.images.paths)
    assert len(source.dataset.images) == 20


def test_links_are_relative(coco, tmp_path):
    written(coco.config(), tmp_path / "out", "coco", tmp_path / "cache")
    link = next((tmp_path / "out/images/train").iterdir())
    assert not link.readlink().is_absolute()
    assert link.resolve().is_relative_to(coco.root.resolve())


@pytest.mark.parametrize("square", [False, True])
def test_resized_pictures_have_resized_boxes(coco, tmp_path, square):
    pixels = np.zeros((48, 64, 3), dtype=np.uint8)
    pixels[10:30, 20:40] = 255
    Image.fromarray(pixels).save(coco.root / "pics/000.png")
    coco.annotations = [row for row in coco.annotations if row["image_id"] != 1]
    coco.box(1, [20, 10, 20, 20])
    coco.write()
    written(coco.config(), tmp_path / "out", "coco", tmp_path / "cache", resize=Resize(128, square))
    path = next((tmp_path / "out").glob("images/*/pics__000.png"))
    with Image.open(path) as image:
        assert image.size == (128, 128 if square else 96)
        bright = np.asarray(image)[..., 0] > 128
    rows = boxes_by_picture(DataConfig(source="coco", path=tmp_path / "out"), tmp_path)["pics__000"]
    assert rows == [("cat", 40, 20, 80, 60)]
    assert bright[20:60, 40:80].all()
    assert bright.sum() == 1600


@pytest.mark.parametrize(
    ("to", "crowd", "unused"),
    [
        ("coco", None, None),
        ("yolo", "left out", None),
        ("voc", "difficult", "no list"),
        ("csv", "left out", "no list"),
    ],
)
def test_what_a_format_can_not_express_is_said(coco, tmp_path, to, crowd, unused):
    coco.categories.append({"id": 11, "name": "zebra"})
    coco.box(1, [1, 1, 30, 30], iscrowd=1)
    coco.annotations[0]["segmentation"] = [[1, 1, 9, 1, 9, 9]]
    coco.write()
    lost = "\n".join(written(coco.config(), tmp_path / "out", to, tmp_path / "cache"))
    assert "20 pictures are renamed" in lost
    assert "`segmentation` of 1 annotations" in lost
    assert ("1 crowd regions" in lost and crowd in lost) if crowd else "crowd" not in lost
    assert ("1 classes without a box" in lost and unused in lost) if unused else "classes without" not in lost
    kept = json.loads((tmp_path / "out/manifest.json").read_text())["exported"]["lost"]
    assert "\n".join(kept) == lost


def test_crowds_stay_crowds_by_way_of_voc(coco, tmp_path):
    coco.box(1, [1, 1, 30, 30], iscrowd=1)
    coco.write()
    written(coco.config(), tmp_path / "out", "voc", tmp_path / "cache")
    source = read_sound(DataConfig(source="voc", path=tmp_path / "out"), tmp_path)
    assert source.dataset.boxes.xyxy[source.dataset.boxes.crowd].tolist() == [[1, 1, 31, 31]]


def test_identical_pictures_with_other_boxes_are_kept(coco, tmp_path):
    (coco.root / "pics/007.png").write_bytes((coco.root / "pics/008.png").read_bytes())
    config = coco.config(repair=True)
    prepared, manifest = build(read_sound(config, tmp_path), config, tmp_path / "cache")
    assert "identical_image" not in manifest["repairs"]
    assert len(prepared.dataset.images) == 20


def test_a_folder_with_something_in_it_is_not_overwritten(coco, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").touch()
    with pytest.raises(ConfigError, match="exists already"):
        written(coco.config(), tmp_path / "out", "coco", tmp_path / "cache")


def test_repairs_on_request(coco, tmp_path):
    coco.categories.append({"id": 11, "name": "Cat "})
    coco.box(1, [30, 20, 20, 20], 5)
    coco.box(1, [30.25, 20, 20, 20], 11)
    (coco.root / "pics/007.png").write_bytes((coco.root / "pics/008.png").read_bytes())
    coco.annotations = [row for row in coco.annotations if row["image_id"] not in (8, 9)]
    coco.write()
    config = coco.config(repair=True)
    prepared, manifest = build(read_sound(config, tmp_path), config, tmp_path / "cache")
    made = {kind: part["count"] for kind, part in manifest["repairs"].items()}
    assert made == {"class_merged": 1, "near_duplicate": 1, "identical_image": 1}
    assert prepared.dataset.classes == ("dog", "cat", "emu")
    assert (len(prepared.dataset.images), len(prepared.dataset.boxes)) == (19, 37)
    plain = build(read_sound(coco.config(), tmp_path), coco.config(), tmp_path / "cache")[1]
    assert "near_duplicate" not in plain["repairs"]


@pytest.mark.parametrize("form", ["xyxy", "normalized"])
def test_boxes_in_another_form_are_converted_on_request(coco, tmp_path, form):
    coco.annotations.clear()
    for image in range(1, 21):
        coco.box(image, [20 + image, 10, 20, 25], 5)
    coco.write()
    expected = boxes_by_picture(coco.config(), tmp_path)
    for row in coco.annotations:
        x, y, w, h = row["bbox"]
        row["bbox"] = [x, y, x + w, y + h] if form == "xyxy" else [x / 64, y / 48, w / 64, h / 48]
    coco.write()
    config = coco.config(repair=True)
    prepared, manifest = build(read_sound(config, tmp_path), config, tmp_path / "cache")
    assert manifest["repairs"]["box_format"]["count"] == 1
    found = prepared.dataset.boxes
    assert isinstance(found, BoxTable)
    rows = np.array([rows[0][1:] for _, rows in sorted(expected.items())])
    assert np.abs(found.xyxy[np.argsort(found.image)] - rows).max() < 1e-9


def test_the_command(coco, tmp_path):
    path = tmp_path / "bench.yaml"
    path.write_text(f"data: {{source: coco, path: {coco.root}}}\nmodels: [fake]\n")
    command = [
        "data",
        "convert",
        "-c",
        str(path),
        "--to",
        "voc",
        "-o",
        str(tmp_path / "out"),
        "--copy",
        "--repair",
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "lost      20 pictures are renamed" in result.output
    assert len(list((tmp_path / "out/Annotations").iterdir())) == 20
