"""`bench.convert`, `bench.describe`, `bench.init`."""

from pathlib import Path

import pytest

import bench


def test_description_says_which_classes_are_rare(fake_config: Path, tmp_path: Path) -> None:
    description = bench.describe(fake_config, overrides={"cache": str(tmp_path), "rare_classes": ["ring"]})
    table = description.classes
    assert list(table.query("rare")["class"]) == ["ring"] * 3
    assert table["boxes"].sum() == description.splits["boxes"].sum() > 0
    train = table[table["split"] == "train"]
    assert train["share"].sum() == pytest.approx(1.0)
    assert description.dataset.path.parent.parent == tmp_path
    assert description.dataset.annotations("train").is_file() and description.dataset.data_yaml.is_file()
    assert "ring" in description._repr_html_()


def test_init_overwrites_only_when_told_to(tmp_path: Path) -> None:
    target = tmp_path / "bench.yaml"
    target.write_text("mine")
    with pytest.raises(bench.ConfigError, match="exists already"):
        bench.init(tmp_path, target)
    assert target.read_text() == "mine"
    with pytest.raises(bench.DataError):
        bench.init(tmp_path / "nowhere", target, force=True)
    assert target.read_text() == "mine"
