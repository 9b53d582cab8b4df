"""`bench run` on a folder of data."""

from pathlib import Path

import pytest
from PIL import Image

import bench
from bench.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "cells"
    (root / "images").mkdir(parents=True)
    rows = ["image,class,xmin,ymin,xmax,ymax"]
    for number in range(12):
        Image.effect_noise((64, 48), 40 + number).save(root / f"images/{number}.png")
        rows.append(f"{number}.png,{'cat' if number % 2 else 'dog'},4,5,24,15")
    (root / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    return root


@pytest.mark.slow
def test_a_folder_is_all_that_a_run_needs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = bench.run(folder, models="fake", overrides={"train.epochs": 1}, progress=False)
    assert [record.status for record in run.records] == ["done"]
    assert run.path.name.startswith("cells-")


def test_the_other_data_commands_take_a_folder_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert bench.convert(folder, progress=False).classes == ("cat", "dog")
    assert bench.check(folder, progress=False).boxes == 12
    assert bench.export(tmp_path / "out", folder, to="voc", progress=False).path == tmp_path / "out"
    with pytest.raises(ConfigError, match="no such format"):
        bench.export(tmp_path / "other", folder, to="xml", progress=False)
