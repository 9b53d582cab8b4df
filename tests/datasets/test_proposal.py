"""What `bench init` writes for a folder."""

import json
from pathlib import Path

import pytest

from bench.config import read_config
from bench.datasets import prepare, propose_config
from bench.errors import DataError


def config_of(text, tmp_path):
    path = tmp_path / "bench.yaml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def test_a_coco_folder(coco, tmp_path):
    text = propose_config(coco.root)
    assert "# Found: 20 pictures (background: 0), 40 boxes, 3 classes." in text
    assert "kind: random" in text
    config = config_of(text, tmp_path)
    assert (config.data.source, config.data.path) == ("coco", coco.root)
    assert config.data.annotations == Path("annotations.json")
    assert [model.family for model in config.models] == ["detr", "yolo", "frcnn"]
    assert config.train.image_size == 64
    assert prepare(config.data, tmp_path / "cache").classes == ("dog", "cat", "emu")


def test_coco_with_a_file_for_each_split(coco, tmp_path):
    coco.write("train.json")
    (coco.root / "annotations.json").unlink()
    config = config_of(propose_config(coco.root), tmp_path)
    assert config.data.annotations == {"train": Path("train.json")}
    assert config.data.split.kind == "published"


def test_a_roboflow_export_with_stems_in_several_splits(make_yolo, tmp_path):
    folder = make_yolo({"train": 4, "valid": 2})
    for split, number in (("train", 1), ("train", 2), ("valid", 3), ("valid", 4)):
        folder.add(split, f"arm_{number % 2}_jpg.rf.{number:032x}", "0 0.5 0.5 0.2 0.2\n", seed=number)
    folder.yaml("train: ../train/images\nval: ../valid/images\nnames: [cat, dog]\nroboflow: {license: MIT}")
    text = propose_config(folder.root)
    assert "2 of 8 stems of file names (before `.rf.`) are in several splits" in text
    assert "kind: grouped keeps each stem in one split" in text
    assert "test: 0.15  # not published" in text
    config = config_of(text, tmp_path)
    assert (config.data.source, config.data.split.kind) == ("yolo", "published")
    config = config_of(text.replace("kind: published", "kind: grouped"), tmp_path)
    manifest = json.loads(prepare(config.data, tmp_path / "cache").manifest_path.read_text())
    assert manifest["split"]["shared_groups"] == 0


def test_a_run_is_named_for_the_folder_also_from_within_it(coco, tmp_path, monkeypatch):
    monkeypatch.chdir(coco.root)
    assert f'name: "{coco.root.name}"' in propose_config(Path(), base=coco.root)


def test_paths_are_relative_to_where_the_file_will_stand(coco, tmp_path):
    text = propose_config(coco.root, base=tmp_path)
    assert 'path: "coco"' in text
    assert config_of(text, tmp_path).data.path == coco.root
    assert f'path: "{coco.root}"' in propose_config(coco.root, base=tmp_path / "coco/pics")


def test_names_from_data_break_no_yaml(coco, tmp_path):
    coco.categories[0]["name"] = 'evil"\n\x07name: {# \u2028'
    coco.write()
    moved = tmp_path / 'odd "folder": #1'
    coco.root.rename(moved)
    config = config_of(propose_config(moved), tmp_path)
    assert config.data.path == moved


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], "use the folder of a COCO, YOLO, VOC or csv dataset"),
        (["a.jpg"], "there are pictures but no annotations"),
        (["deep/data.yaml"], "use the folder below it"),
    ],
)
def test_unknown_folders_get_advice(tmp_path, content, expected):
    for name in content:
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).touch()
    (tmp_path / "x").mkdir(exist_ok=True)
    with pytest.raises(
        DataError, match=f"(?s)contains no COCO json, data.yaml, Pascal VOC xml or csv.*{expected}"
    ):
        propose_config(tmp_path / "x")


def test_broken_data_is_told_at_once(yolo, tmp_path):
    yolo.add("train", "bad", "0 0.5 0.5\n")
    with pytest.raises(DataError, match="has 3 numbers"):
        propose_config(yolo.root)
    with pytest.raises(DataError, match="no such folder"):
        propose_config(tmp_path / "nowhere")


@pytest.mark.data
def test_the_real_folders(real_data, tmp_path):
    text = propose_config(real_data / "fracture")
    assert "148 of 1,342 stems of file names" in text
    config = config_of(text, tmp_path)
    assert (config.data.source, config.data.classes) == ("fracture", "fracture")
    config = config_of(propose_config(real_data / "taco"), tmp_path)
    assert (config.data.source, config.data.classes) == ("taco", "taco-7")
    assert config.train.image_size == 640
    assert config_of(propose_config(real_data / "taco_416"), tmp_path).train.image_size == 416
