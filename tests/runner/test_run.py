"""Whole runs of the fake detector, each cell in a real process: failures, kills, resumes."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import files
from bench.analysis import read_image_properties
from bench.cell.spec import CellSpec
from bench.config import read_config
from bench.datasets import prepare
from bench.errors import ConfigError, RecipeError, RunError
from bench.layout import Layout
from bench.process import Child
from bench.records import CellRecord
from bench.reports.ranking import ranking
from bench.runner import run as running
from bench.runner.create import create_run
from bench.runner.plan import plan_cells
from bench.runner.run import RunResult
from bench.store import CellFolder, RunFolder


class Ears:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.skipped: list[str] = []
        self.records: list[CellRecord] = []
        self.timing = (0, 0)
        self.untimed: list[str] = []

    def on_data(self, what: str, done: int, total: int) -> None:
        pass

    def on_run_start(self, run: RunFolder, total: int, left: int) -> None:
        self.left = left

    def on_cell_start(self, number: int, cell: CellFolder, *, done: bool) -> None:
        if done:
            self.skipped.append(cell.name)

    def on_cell_event(self, cell: CellFolder, event: dict[str, Any]) -> None:
        self.heard.append(event)

    def on_cell_end(self, record: CellRecord) -> None:
        self.records.append(record)

    def on_timing(self, done: int, total: int) -> None:
        self.timing = (done, total)

    def on_untimed(self, cell: CellFolder) -> None:
        self.untimed.append(cell.name)


def start(
    config: Path, folder: Path, *overrides: str, models: tuple[str, ...] = ()
) -> tuple[RunResult, Ears]:
    ears = Ears()
    resolved = read_config(config, overrides=[f"runs={folder}", *overrides], models=models)
    return running.start(resolved, ears, command="bench run -c it"), ears


@pytest.mark.slow
def test_every_cell_leaves_a_record_and_the_run_its_tables(fake_config: Path, tmp_path: Path) -> None:
    outcome, ears = start(fake_config, tmp_path, "seeds=[0,1]")
    assert [record.cell for record in outcome.records] == ["one-seed0", "two-seed0", "one-seed1", "two-seed1"]
    assert all(record.status == "done" for record in outcome.records)
    assert [event["epoch"] for event in ears.heard if event["event"] == "epoch"] == [1, 2, 3, 1, 2] * 2
    one = outcome.records[0]
    assert one.training and one.training.epochs == 3
    assert one.test and one.test.images == 6
    assert one.recipe["epochs"] == 3
    assert one.rare_classes and one.val and one.val.AP_rare is not None
    rare = [item.AP for item in one.val.classes if item.name in one.rare_classes and item.AP is not None]
    assert one.val.AP_rare == pytest.approx(sum(rare) / len(rare))
    history = outcome.run.cell(one.cell).history()
    assert max(row["metrics/AP_rare"] for row in history) == pytest.approx(one.val.AP_rare)
    assert outcome.records[1].recipe["epochs"] == 2
    rows = list(csv.DictReader(outcome.run.results_path.read_text().splitlines()))
    assert [row["cell"] for row in rows] == [record.cell for record in outcome.records]
    assert float(rows[0]["val/AP_rare"]) == one.val.AP_rare
    assert outcome.report.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.slow
def test_the_resolved_config_repeats_the_run(fake_config: Path, tmp_path: Path) -> None:
    first, _ = start(fake_config, tmp_path / "a", models=("one",))
    again, _ = start(first.run.config_path, tmp_path / "b")
    assert again.records[0].dataset == first.records[0].dataset
    assert again.records[0].test == first.records[0].test


@pytest.mark.slow
def test_what_is_judged_is_what_is_stored_as_pycocotools_would(fake_config: Path, tmp_path: Path) -> None:
    """Other predictions are put in the place of the stored ones, and the cell is finished from there."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    outcome, _ = start(fake_config, tmp_path, models=("one",))
    cell = outcome.run.cell("one-seed0")
    truth = COCO(str(outcome.run.ground_truth_path("test")))
    measured = read_image_properties(outcome.run.image_properties_path, np.array(truth.getImgIds()))
    assert 0 < measured["brightness"].min() < measured["brightness"].max() < 1
    draw = random.Random(0)
    near = [
        {
            "image_id": box["image_id"],
            "category_id": box["category_id"],
            "bbox": [round(side + draw.uniform(-3, 3), 3) for side in box["bbox"]],
            "score": round(draw.random(), 6),
        }
        for box in truth.anns.values()
    ]
    cell.predictions_path("test").write_text(json.dumps(near))
    cell.record_path.unlink()
    test = running.resume(outcome.run, Ears()).records[0].test
    judge = COCOeval(truth, truth.loadRes(str(cell.predictions_path("test"))), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert test is not None and test.coco.AP is not None
    assert 0.2 < test.coco.AP < 1
    ours = [-1.0 if figure is None else figure for figure in test.coco.model_dump().values()]
    assert ours == pytest.approx(list(judge.stats), abs=1e-12)


@pytest.mark.slow
def test_the_score_threshold_is_val_s_on_both_splits(fake_config: Path, tmp_path: Path) -> None:
    """Perfect boxes, scored 0.7 on val and 0.2 on test: with val's threshold test has no detection left."""
    outcome, _ = start(fake_config, tmp_path, models=("one",))
    cell = outcome.run.cell("one-seed0")
    for split, score in (("val", 0.7), ("test", 0.2)):
        truth = json.loads(outcome.run.ground_truth_path(split).read_text())["annotations"]
        found = [
            {key: box[key] for key in ("image_id", "category_id", "bbox")} | {"score": score} for box in truth
        ]
        cell.predictions_path(split).write_text(json.dumps(found))
    cell.record_path.unlink()
    record = running.resume(outcome.run, Ears()).records[0]
    assert record.val and record.test
    assert record.val.operating_point.score_threshold == record.test.operating_point.score_threshold == 0.7
    assert (record.val.operating_point.recall, record.test.operating_point.recall) == (1.0, 0.0)


@pytest.mark.slow
def test_a_cell_that_fails_leaves_its_reason_and_the_others_go_on(fake_config: Path, tmp_path: Path) -> None:
    outcome, _ = start(fake_config, tmp_path, "models.one.options.fail_at_epoch=2")
    failed, done = outcome.records
    assert (failed.status, done.status) == ("failed", "done")
    assert failed.failure and failed.failure.stage == "fit"
    assert "breaks in epoch 2" in failed.failure.reason
    assert "Traceback" in outcome.run.cell("one-seed0").log_path.read_text()
    assert outcome.failed == (failed,)
    assert "breaks in epoch 2" in outcome.report.read_text()


@pytest.mark.slow
def test_resume_repeats_nothing_that_is_done_and_retries_what_failed(
    fake_config: Path, tmp_path: Path
) -> None:
    outcome, _ = start(fake_config, tmp_path, "models.one.options.fail_at_epoch=2")
    kept = outcome.run.cell("two-seed0").record_path.stat().st_mtime_ns
    spec = outcome.run.cell("one-seed0").spec_path
    spec.write_text(spec.read_text().replace('"fail_at_epoch": 2', '"fail_at_epoch": 0'))
    ears = Ears()
    again = running.resume(outcome.run, ears)
    assert ears.skipped == ["two-seed0"]
    assert [event["epoch"] for event in ears.heard if event["event"] == "epoch"] == [2, 3]  # epoch 1 was safe
    assert [record.status for record in again.records] == ["done", "done"]
    assert outcome.run.cell("two-seed0").record_path.stat().st_mtime_ns == kept
    assert [row["epoch"] for row in outcome.run.cell("one-seed0").history()] == [1, 2, 3]


@pytest.mark.slow
def test_patience_stops_a_training(fake_config: Path, tmp_path: Path) -> None:
    outcome, _ = start(
        fake_config, tmp_path, "train.epochs=40", "train.patience=1", "train.flip=0.0", models=("one",)
    )
    training = outcome.records[0].training
    assert training and training.stopped_early
    assert training.epochs < 40


def background(config: Path, runs: Path) -> "subprocess.Popen[bytes]":
    """`bench run` of slow epochs in a process of its own."""
    settings = ["run", "-c", str(config), "--models", "one", "--set", f"runs={runs}"]
    settings += ["--set", "models.one.options.epoch_s=0.3", "--set", "train.epochs=6"]
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def wait_for_epoch(runs: Path, epoch: int) -> CellFolder:
    """The cell under way, once it has done that many epochs."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for cell in runs.glob("*/cells/one-seed0"):
            if len(CellFolder(cell).history()) >= epoch:
                return CellFolder(cell)
        time.sleep(0.02)
    raise AssertionError("the run did not get that far")


def cell_processes(cell: CellFolder) -> list[int]:
    """Living processes that work on the cell."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                settings = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(cell.root).encode() in settings:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
def test_a_killed_runner_takes_its_cell_along_and_the_run_can_be_finished(
    fake_config: Path, tmp_path: Path
) -> None:
    runner = background(fake_config, tmp_path)
    cell = wait_for_epoch(tmp_path, 2)
    assert cell_processes(cell)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    deadline = time.monotonic() + 5
    while cell_processes(cell) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert cell_processes(cell) == []
    ears = Ears()
    outcome = running.resume(RunFolder.open(cell.root.parent.parent), ears)
    epochs = [event["epoch"] for event in ears.heard if event["event"] == "epoch"]
    assert epochs[0] >= 2 and epochs[-1] == 6
    assert outcome.records[0].status == "done"
    assert [row["epoch"] for row in cell.history()] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_two_runners_on_one_run_are_refused_and_a_killed_cell_is_a_failed_one(
    fake_config: Path, tmp_path: Path
) -> None:
    runner = background(fake_config, tmp_path)
    cell = wait_for_epoch(tmp_path, 1)
    with pytest.raises(RunError, match="another process is working on this run"):
        running.resume(RunFolder.open(cell.root.parent.parent), Ears())
    for process in cell_processes(cell):
        os.kill(process, signal.SIGKILL)
    assert runner.wait(30) == 1
    record = cell.record()
    assert record and record.failure
    assert "SIGKILL" in record.failure.reason


@pytest.mark.slow
def test_ctrl_c_ends_the_cell_and_says_how_to_go_on(fake_config: Path, tmp_path: Path) -> None:
    settings = ["run", "-c", str(fake_config), "--models", "one", "--set", f"runs={tmp_path}"]
    settings += ["--set", "models.one.options.epoch_s=0.3", "--set", "train.epochs=6"]
    runner = subprocess.Popen(
        [sys.executable, "-m", "bench", *settings],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job is deaf to it
    )
    cell = wait_for_epoch(tmp_path, 1)
    runner.send_signal(signal.SIGINT)
    _, told = runner.communicate(timeout=30)
    assert runner.returncode == 130
    assert f"bench run --resume {cell.root.parent.parent}" in told
    assert cell_processes(cell) == []
    assert cell.record() is None


def test_what_can_t_be_planned_leaves_no_run_folder(fake_config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown option of the fake") as caught:
        start(fake_config, tmp_path / "runs", "models.one.options.x=1", "models.two.weights=some.pt")
    assert "2 models can't be run" in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_run_whose_data_is_gone_is_refused(fake_config: Path, tmp_path: Path) -> None:
    import shutil

    outcome, _ = start(fake_config, tmp_path / "runs", f"cache={tmp_path / 'cache'}", models=("one",))
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(RunError, match="dataset of this run is missing"):
        running.resume(outcome.run, Ears())


@pytest.mark.slow
def test_a_run_is_not_resumed_by_another_config(fake_config: Path, tmp_path: Path) -> None:
    outcome, _ = start(fake_config, tmp_path, "train.lr=1e-05", models=("one",))
    path = outcome.run.config_path
    whole = path.read_text()
    path.write_text(whole.replace("lr: 1.0e-05", "lr: 0.02", 1).replace("final: none", "final: train+val"))
    with pytest.raises(
        RunError, match=r"was changed since the run started: train\.lr was 1e-05, now 0\.02; final"
    ):
        running.resume(outcome.run, Ears())
    path.write_text(whole)
    assert running.resume(outcome.run, Ears()).records[0].status == "done"


@pytest.mark.slow
def test_a_run_is_not_resumed_when_a_picture_behind_it_is_gone(fake_config: Path, tmp_path: Path) -> None:
    outcome, _ = start(fake_config, tmp_path / "runs", f"cache={tmp_path / 'cache'}", models=("one",))
    image = Layout.open(Path(outcome.run.info().layout)).examples("val")[0].path
    image.unlink()
    with pytest.raises(RunError, match=f"{image.name}: an image of this run is missing"):
        running.resume(outcome.run, Ears())
    image.symlink_to(tmp_path / "moved.png")
    with pytest.raises(RunError, match=r"moved\.png: an image of this run is missing"):
        running.resume(outcome.run, Ears())


def test_a_lock_that_can_t_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()  # stands for a run folder that is closed: tests may run as root
    with pytest.raises(RunError, match=r"\.lock: can't be written"), files.alone(tmp_path, "run"):
        pass


@pytest.mark.slow
def test_shares_are_trained_too_and_stay_out_of_the_ranking(fake_config: Path, tmp_path: Path) -> None:
    outcome, _ = start(
        fake_config, tmp_path, "seeds=[0,1]", "shares=[25,50,75]", "train.batch_size=4", models=("one",)
    )
    assert [record.cell for record in outcome.records] == [
        f"one-seed{seed}{share}" for share in ("", "-share75", "-share50", "-share25") for seed in (0, 1)
    ]
    assert all(record.status == "done" for record in outcome.records), [r.failure for r in outcome.records]
    seen = {record.share: record.training.images_seen for record in outcome.records if record.training}
    assert seen == {None: 84, 75: 63, 50: 42, 25: 21}
    assert {record.test.images for record in outcome.records if record.test} == {6}
    (ranked,) = ranking(outcome.records)
    assert [record.cell for record in ranked.done] == ["one-seed0", "one-seed1"]
    rows = list(csv.DictReader(outcome.run.results_path.read_text().splitlines()))
    assert [row["share"] for row in rows] == ["", "", "75", "75", "50", "50", "25", "25"]
    page = outcome.report.read_text()
    assert "one: 56 instead of 28 training images would bring" in page
    assert (outcome.report.parent / "figures" / "ap-against-images.svg").is_file()
    shutil.rmtree(CellSpec.read(outcome.run.cell("one-seed0-share50")).layout)
    outcome.run.cell("one-seed0-share50").record_path.unlink()
    assert running.resume(outcome.run, Ears()).records[4].status == "done"


@pytest.mark.slow
def test_a_batch_that_a_share_can_not_fill_is_found_before_there_is_a_run(
    fake_config: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=r"model one, 10 % of train: train\.batch_size"):
        start(fake_config, tmp_path, "shares=[10]", models=("one",))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_two_at_a_time_give_the_same_figures_and_are_timed_at_the_end(
    fake_config: Path, tmp_path: Path
) -> None:
    alone, _ = start(fake_config, tmp_path / "a")
    together, ears = start(fake_config, tmp_path / "b", "jobs=2")
    for one, two in zip(alone.records, together.records, strict=True):
        assert (one.cell, one.val, one.test) == (two.cell, two.val, two.test)
        assert two.efficiency and two.efficiency.latency_ms > 0 and two.efficiency.other_load is not None
    assert all(record.efficiency is None for record in ears.records)  # not while another one runs
    assert ears.timing[0] == ears.timing[1] > 0
    specs = [json.loads(cell.spec_path.read_text()) for cell in together.run.cells()]
    assert {spec["device"] for spec in specs} == {"cpu"}


@pytest.mark.slow
def test_a_timing_that_breaks_off_costs_no_record_and_is_made_up_for(
    fake_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.runner.timing._start", lambda folder, stack: broken(folder, stack))
    outcome, ears = start(fake_config, tmp_path)
    one, two = outcome.records
    assert ears.untimed == ["one-seed0"]
    assert one.status == "done" and one.test and one.efficiency is None
    assert two.efficiency is not None
    assert ears.timing[0] == ears.timing[1]
    monkeypatch.undo()
    again = running.resume(outcome.run, ears := Ears())
    assert ears.records == [] and sorted(ears.skipped) == ["one-seed0", "two-seed0"]
    assert again.records[0].efficiency is not None
    assert again.records[1].efficiency == two.efficiency


def broken(folder: CellFolder, stack: ExitStack) -> Child:
    """The process of cell one lacks its checkpoint."""
    if folder.name == "one-seed0":
        return stack.enter_context(Child("bench.cell.timed", str(folder.root / "gone")))
    return stack.enter_context(Child("bench.cell.timed", str(folder.root)))


def test_a_resume_keeps_the_devices_of_a_training(fake_config: Path, tmp_path: Path) -> None:
    config = read_config(fake_config, overrides=[f"runs={tmp_path}", "device=cpu:4"], models=["detr:tiny"])
    cells = plan_cells(config)
    run = create_run(config, cells, prepare(config.data, config.cache), command="it")
    with pytest.raises(ConfigError, match="began with 4 devices for each training; now there would be 2"):
        running.resume(run, Ears(), jobs=2)
