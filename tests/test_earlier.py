"""A run of bench 0.1 (`earlier_run`, cut down by hand): it can be read and reported, but not continued."""

import json
import shutil
from pathlib import Path

import pytest

import bench
from bench import earlier
from bench.errors import RunError

WRITTEN_BY_0_1 = Path(__file__).parent / "earlier_run"


@pytest.fixture
def run(tmp_path: Path) -> bench.Run:
    """One cell is done, one is not."""
    return bench.open(shutil.copytree(WRITTEN_BY_0_1, tmp_path / "run"))


def test_its_tables_have_today_s_names(run: bench.Run) -> None:
    (row,) = run.results.to_dict("records")
    assert (row["model"], row["status"], row["test/images"]) == ("frcnn", "done", 135)
    assert row["training/images_seen"] == 22680 and row["timed_images"] == 50
    assert run.history["images_per_s"].iloc[0] > 0
    assert set(run.predictions("frcnn")["image_id"]) == {768, 788}


@pytest.mark.slow
def test_it_is_reported(run: bench.Run) -> None:
    page = run.report().path.read_text(encoding="utf-8")
    assert "frcnn reached a test AP of 0.904" in page
    assert "detr-seed0" in page  # as unfinished
    assert run.folder.samples()[0].image == "00.jpg"


def test_its_unfinished_cells_are_refused(run: bench.Run, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    shutil.copy(run.folder.manifest_path, layout)
    info = json.loads(run.folder.info_path.read_text())
    run.folder.info_path.write_text(json.dumps(info | {"layout": str(layout)}))
    with pytest.raises(RunError, match=r"(?s)bench 0\.1\.0.*start a new run"):
        run.resume()
    assert not (run.path / "cells/detr-seed0/record.json").exists()


def test_a_class_keeps_its_name_whatever_it_is_called() -> None:
    before = {"pictures": 3, "class_weights": {"word": 1.0, "pictures": 2.0}, "ledger": [{"word": "lr"}]}
    after = {"images": 3, "class_weights": {"word": 1.0, "pictures": 2.0}, "ledger": [{"setting": "lr"}]}
    assert earlier.upgrade(before) == after
