"""`bench predict` on a run of the fake, laid out by hand."""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image

from bench import evaluation, files
from bench.adapters.fake import OPTIONS, FakeDetector
from bench.cell.spec import CellSpec
from bench.cell.work import failed_record, write_record
from bench.detector import Plan
from bench.errors import RunError
from bench.predicting import open_cell
from bench.provenance import provenance
from bench.recipe import Recipe
from bench.records import CellRecord, SplitFigures
from bench.store import CellFolder, RunFolder, RunInfo

Bench = Callable[..., "CompletedProcess[str]"]

CLASSES = ("cat", "dog")
THRESHOLD = 0.6
"""Exactly the score of the fake's cat: a detection at the threshold counts."""


@pytest.fixture
def bench(call: Bench) -> Bench:
    return partial(call, "predict")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One cell is done: a cat of 0.6 at the upper left, a dog of 0.4 in the middle. One has failed."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    origin = provenance("bench run")
    info = RunInfo(
        name="run",
        layout="/gone",
        dataset="d",
        classes=CLASSES,
        cells=("one-seed0", "broken-seed0"),
        provenance=origin,
    )
    for name in info.cells:
        cell = folder.cell(name)
        cell.root.mkdir(parents=True)
        plan = Plan("fake", "mean-box", "none", OPTIONS, Recipe(epochs=1))
        model, seed = name.split("-seed")
        spec = CellSpec(
            model=model,
            seed=int(seed),
            device="cpu",
            layout=Path("/gone"),
            dataset="d",
            plan=plan,
            provenance=origin,
        )
        spec.write(cell)
        write_record(cell, failed_record(cell, spec, stage="fit", reason="it broke"))
    files.write_text(folder.info_path, info.model_dump_json())
    done = folder.cell("one-seed0")
    priors = np.array([[0.25, 0.25, 0.5, 0.5, 0.6], [0.5, 0.5, 0.2, 0.2, 0.4]])
    FakeDetector(OPTIONS, priors).save(done.checkpoint)
    figures = judged(done.root / "truth.json")
    record = CellRecord(
        cell=done.name, model="one", seed=0, dataset="d", status="done", val=figures, test=figures
    )
    write_record(done, record)
    return folder


def judged(path: Path) -> SplitFigures:
    truth = {
        "images": [{"id": 1, "file_name": "a.png", "width": 10, "height": 10}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 0}
        ],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(CLASSES)],
    }
    files.write_json(path, truth)
    results = path.with_name("results.json")
    results.write_text('[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.9}]')
    judge = evaluation.Judge(CLASSES, {"test": path})
    return judge.figures(judge.match("test", evaluation.read_results(results)), THRESHOLD)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Two upright pictures, one turned by EXIF, one of 16 bits; and another of an equal name elsewhere."""
    folder = tmp_path / "album"
    (tmp_path / "other").mkdir()
    folder.mkdir()
    Image.new("RGB", (200, 100), "navy").save(folder / "wide.jpg")
    Image.new("RGB", (100, 200), "olive").save(folder / "high.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn: stored 200 x 100, shown 100 x 200
    Image.new("RGB", (200, 100), "navy").save(folder / "turned.jpg", exif=exif)
    Image.new("I;16", (200, 100), 40000).save(folder / "deep.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "other/wide.jpg")
    return folder


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_boxes_are_drawn_and_written(bench: Bench, run: RunFolder, album: Path, tmp_path: Path) -> None:
    cell = str(run.root / "cells/one-seed0")
    done = bench(cell, "album", "other", "-o", "out", "--score", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    drawn = {path.name: size(path) for path in out.iterdir() if path.suffix in (".png", ".jpg")}
    assert drawn == {
        "wide.jpg": (600, 300),
        "high.png": (300, 600),
        "turned.jpg": (300, 600),
        "deep.png": (600, 300),
        "wide-2.jpg": (512, 512),
    }
    rows = json.loads((out / "detections.json").read_text())
    assert [row["category_name"] for row in rows] == ["cat", "dog"] * 5
    assert all(row["category_name"] == CLASSES[row["category_id"] - 1] for row in rows)
    cats = {row["file_name"]: row for row in rows if row["category_name"] == "cat"}
    # The fake's boxes are shares of the picture as it is shown: EXIF's turn comes before.
    assert cats["album/turned.jpg"]["bbox_xyxy"] == [0, 0, 50, 100]
    assert cats["album/deep.png"]["bbox_xyxy"] == [0, 0, 100, 50]
    dogs = {row["file_name"]: row for row in rows if row["category_name"] == "dog"}
    assert dogs["album/wide.jpg"]["bbox_xyxy"] == pytest.approx([80, 40, 120, 60])
    assert dogs["album/wide.jpg"]["bbox"] == pytest.approx([80, 40, 40, 20])
    assert len({row["image_id"] for row in rows}) == 5
    with (out / "detections.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(row["file_name"], float(row["y2"]), float(row["score"])) for row in table] == [
        (row["file_name"], row["bbox_xyxy"][3], row["score"]) for row in rows
    ]


def test_val_s_threshold_counts_and_what_can_t_be_read_is_skipped(
    bench: Bench, run: RunFolder, album: Path, tmp_path: Path
) -> None:
    (album / "broken.jpg").write_bytes((album / "wide.jpg").read_bytes()[:300])
    (album / "empty.png").touch()
    done = bench(str(run.root / "one-seed0"), "album", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "album/broken.jpg: can't be read" in done.stderr and "album/empty.png" in done.stderr
    assert "4 detections in 4 images, with a score of at least 0.600" in done.stdout
    out = tmp_path / "predicted/one-seed0"
    assert {row["category_name"] for row in json.loads((out / "detections.json").read_text())} == {"cat"}
    assert (out / "wide.jpg").exists() and not (out / "broken.jpg").exists()


def test_sixteen_bits_are_scaled_as_in_training(bench: Bench, run: RunFolder, tmp_path: Path) -> None:
    """By the dataset's depth, not by the largest value of the picture, which would make it brighter."""
    files.write_json(run.manifest_path, {"bit_depth": 12})
    Image.new("I;16", (500, 100), 900).save(tmp_path / "xray.png")
    done = bench(str(run.root / "one-seed0"), "xray.png", cwd=tmp_path)
    run.manifest_path.unlink()
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "predicted/one-seed0/xray.png") as drawn:
        assert drawn.getpixel((499, 99)) == (round(900 / 4095 * 255),) * 3


def test_a_cell_without_a_checkpoint_is_a_mistake(
    bench: Bench, run: RunFolder, album: Path, tmp_path: Path
) -> None:
    done = bench(str(run.root / "broken-seed0"), "album", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no checkpoint: it failed in fit" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "predicted").exists()


def test_a_cell_goes_by_two_names(run: RunFolder) -> None:
    cell = CellFolder(run.root / "cells/one-seed0")
    assert open_cell(run.root / "cells/one-seed0") == open_cell(run.root / "one-seed0") == cell


@pytest.mark.parametrize("name", ["one-seed1", ".", "cells/none"])
def test_a_wrong_name_is_answered_with_the_right_ones(run: RunFolder, name: str) -> None:
    with pytest.raises(RunError, match="is not a cell of a run") as caught:
        open_cell(run.root / name)
    assert str(run.root / "one-seed0") in str(caught.value)
