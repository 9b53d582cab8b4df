"""`bench.run` and `bench.open`."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import bench
from bench import config_tree
from bench.boxes import xywh_to_xyxy

EARLIER_RUN = Path(__file__).parents[1] / "earlier_run"


@pytest.fixture(scope="module")
def config(fake_config: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The fake models' bench.yaml as a dict."""
    folder = tmp_path_factory.mktemp("runs")
    places = {"runs": str(folder), "cache": str(fake_config.parent / ".bench")}
    return {**config_tree.parse(fake_config.read_text(), "fake"), **places}


@pytest.fixture(scope="module")
def finished(config: dict[str, Any]) -> bench.Run:
    """Model one has two seeds, with a final training; model two fails in both."""
    fails = {"models.two.options.fail_at_epoch": 1, "final": "train+val"}
    return bench.run(config, seeds=(np.int64(0), 1), overrides=fails, progress=False)


@pytest.fixture
def opened(tmp_path: Path) -> bench.Run:
    return bench.open(shutil.copytree(EARLIER_RUN, tmp_path / "run"))


@pytest.mark.slow
def test_results_are_those_of_results_csv(finished: bench.Run) -> None:
    written = pandas.read_csv(finished.folder.results_path)
    table = finished.results
    assert list(table["model"]) == ["one", "two", "one", "two"]
    assert list(table["status"]) == ["done", "failed", "done", "failed"]
    columns = [name for name in table.columns if table[name].dtype == float]
    assert {"test/AP", "final/test/AP", "val/AP_large", "latency_ms"} <= set(columns)
    pandas.testing.assert_frame_equal(table[columns], written[columns], check_dtype=False)
    assert [record.cell for record in finished.failed] == ["two-seed0", "two-seed1"]
    classes = pandas.read_csv(finished.folder.classes_path)
    pandas.testing.assert_frame_equal(finished.classes, classes, check_dtype=False)


@pytest.mark.slow
def test_history_has_every_training(finished: bench.Run) -> None:
    counts = finished.history.groupby(["model", "seed", "final"]).size().to_dict()
    assert counts[("one", 0, False)] == counts[("one", 1, False)] == counts[("one", 1, True)] == 3
    assert {"setting", "asked", "used", "why"} <= set(finished.ledger.columns)


@pytest.mark.slow
def test_predictions_are_those_that_were_judged(finished: bench.Run) -> None:
    cell = finished.path / "cells/one-seed1"
    for split, path in (("val", cell), ("test", cell / "final")):
        stored = json.loads((path / f"predictions_{split}.json").read_text())
        table = finished.predictions("one", seed=1, split=split)
        assert table["score"].tolist() == [one["score"] for one in stored]
        corners = xywh_to_xyxy(np.array([one["bbox"] for one in stored]))
        assert np.array_equal(table[["x1", "y1", "x2", "y2"]], corners)
    assert finished.checkpoint("one") == finished.path / "cells/one-seed0/final/best"


@pytest.mark.slow
def test_nothing_is_printed_and_the_record_says_who_called(
    config: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = json.dumps(config)
    run = bench.run({**config, "runs": tmp_path}, models="two", overrides={"train.epochs": 1}, device="cpu")
    assert capfd.readouterr() == ("", "")
    assert json.dumps(config) == before
    assert run.path.parent == tmp_path and run.folder.info().config["device"] == "cpu"  # type: ignore[index]
    command = run.folder.info().provenance.command
    assert command == "bench.run({...}, models=['two'], device='cpu', overrides={'train.epochs': 1})"


@pytest.mark.slow
def test_a_run_is_resumed_and_shows_lines_where_they_are_asked_for(
    finished: bench.Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = bench.open(shutil.copytree(finished.path, tmp_path / "run"))
    (run.path / "cells/one-seed0/record.json").unlink()
    again = run.resume(progress=True)
    assert len(again.records) == 4
    shown = capfd.readouterr().out
    assert "one-seed1: done before" in shown and "one-seed0: starts" in shown and "FAILED in fit" in shown


def test_predictions_have_names_and_corners(opened: bench.Run) -> None:
    table = opened.predictions("frcnn")
    stored = json.loads((opened.path / "cells/frcnn-seed0/predictions_test.json").read_text())
    assert list(table.columns) == ["image_id", "file_name", "class", "score", "x1", "y1", "x2", "y2"]
    x, y, width, height = stored[0]["bbox"]
    assert table.loc[0, ["x1", "y1", "x2", "y2"]].tolist() == [x, y, x + width, y + height]
    classes = opened.folder.info().classes
    assert table["class"].tolist() == [classes[one["category_id"] - 1] for one in stored]
    truth = json.loads(opened.folder.ground_truth_path("test").read_text())
    names = {image["id"]: image["file_name"] for image in truth["images"]}
    assert table["file_name"].tolist() == [names[one["image_id"]] for one in stored]
    assert len(opened.ground_truth()) == len(truth["annotations"])


def test_a_notebook_shows_the_answer_and_the_ranking(opened: bench.Run) -> None:
    shown = opened._repr_html_()
    assert "frcnn reached a test AP of 0.904" in shown and "1 cell not finished yet" in shown
    assert shown.count("<tr>") == 2 and ">0.904<" in shown and "<script" not in shown
    assert repr(opened) == f"<bench.Run {str(opened.path)!r}: 1 of 2 cells done>"
    assert os.fspath(opened) == str(opened.path)


def test_a_run_without_a_finished_cell_is_shown_too(opened: bench.Run) -> None:
    (opened.path / "cells/frcnn-seed0/record.json").unlink()
    assert "No cell of this run is finished yet" in opened._repr_html_()
    assert opened.results.empty and "test/AP" in opened.results.columns
    assert opened.history.empty and opened.ledger.empty and opened.classes.empty


@pytest.mark.slow
def test_the_report_can_be_shown_in_place(opened: bench.Run, tmp_path: Path) -> None:
    page = opened.report(tmp_path / "page.html")
    assert Path(page) == tmp_path / "page.html" == page.path
    assert "<iframe srcdoc=" in page._repr_html_() and "<h1>" not in page._repr_html_()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda run: run.predictions("detr"), bench.RunError, "finished cells: frcnn with seed 0"),
        (lambda run: run.predictions("frcnn", seed=3), bench.RunError, "frcnn with seed 3"),
        (lambda run: run.predictions("frcnn", split="train"), bench.ConfigError, "val or test"),
        (lambda run: bench.open("nowhere"), bench.RunError, "is not a run folder"),
        (lambda run: bench.run("none.yaml"), bench.ConfigError, "no such file"),
        (lambda run: bench.run({"models": ["fake"]}), bench.ConfigError, "data: is missing"),
        (lambda run: bench.run(models=" "), bench.ConfigError, "names no model"),
        (lambda run: bench.run(seeds="01"), bench.ConfigError, "seeds are whole numbers"),
        (lambda run: bench.run(seeds=0.5), bench.ConfigError, "seeds are whole numbers"),
        (lambda run: bench.run(overrides={"train.epoch": 1}), bench.ConfigError, "did you mean `epochs`"),
        (lambda run: bench.run(overrides={"models.detrr.lr": 1}), bench.ConfigError, "no entry 'detrr'"),
        (lambda run: bench.report(run, output="x.pdf"), bench.ConfigError, "end it in .html"),
        (lambda run: bench.predict(run.path / "frcnn-seed0", "x"), bench.RunError, "has no checkpoint"),
    ],
)
def test_mistakes_are_exceptions(
    opened: bench.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Any, error: type, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        call(opened)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
