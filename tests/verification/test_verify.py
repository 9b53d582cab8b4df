"""A sound run passes; each planted fault is found, and no other is claimed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import bench
from bench.cli.verify import verify as command
from bench.store import RunFolder
from bench.verification import Check, verify
from bench.verification import predictions as judged
from bench.verification.references import TORCHMETRICS, pycocotools


@pytest.fixture(autouse=True)
def fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing torchmetrics takes seconds."""
    if "slow" not in request.keywords:

        def stand_in(truth: Any, results: Any) -> Any:
            return {
                name: value for name, value in pycocotools(truth, results).items() if name in TORCHMETRICS
            }

        monkeypatch.setattr(judged, "torchmetrics", stand_in)


def differing(run: RunFolder) -> dict[tuple[str, str], str]:
    return {(one.subject, one.name): one.detail for one in verify(run) if one.outcome == "differs"}


def change(path: Path, edit: Callable[[Any], None]) -> None:
    tree = json.loads(path.read_text())
    edit(tree)
    path.write_text(json.dumps(tree))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.slow
def test_a_sound_run_passes(run: RunFolder) -> None:
    checks = list(verify(run))
    assert {one.outcome for one in checks} == {"ok"}, [one for one in checks if one.outcome != "ok"]
    made = {one.name for one in checks}
    assert made >= {"key", "source", "content", "leaks, source", "leaks, layout", "record", "score threshold"}
    assert made >= {"match table", "pycocotools", "torchmetrics", "best epoch", "val AP", "table", "ranking"}


def test_a_tampered_record(run: RunFolder, cell: Any) -> None:
    def better(tree: Any) -> None:
        tree["test"]["coco"]["AP"] += 0.01

    change(cell.record_path, better)
    found = differing(run)
    assert found.keys() == {
        ("one-seed0, test", "record"),
        ("one-seed0, test", "pycocotools"),
        ("one-seed0, test", "torchmetrics"),
        ("results.csv", "table"),
        ("report.html", "ranking"),
    }
    assert found["one-seed0, test", "record"].startswith("coco/AP is ")


def test_a_tampered_record_with_everything_made_from_it(run: RunFolder, cell: Any, rewrite: Any) -> None:
    def better(tree: Any) -> None:
        tree["test"]["operating_point"]["true_positives"] += 1

    change(cell.record_path, better)
    rewrite(run)
    assert differing(run).keys() == {("one-seed0, test", "record")}


def test_another_score_threshold(run: RunFolder, cell: Any) -> None:
    """Chosen on test, say, with figures that follow from it."""
    from bench.evaluation import Judge, read_results

    record = cell.record()
    judge = Judge.of_run(run, record.rare_classes)
    table = judge.match("test", read_results(cell.predictions_path("test")))
    other = judge.figures(table, record.score_threshold + 0.01)
    cell.record_path.write_text(record.model_copy(update={"test": other}).model_dump_json())
    found = differing(run)
    assert ("one-seed0, test", "score threshold") in found
    assert ("one-seed0, test", "record") not in found and ("one-seed0, test", "pycocotools") not in found


def test_a_changed_box(run: RunFolder, cell: Any) -> None:
    def move(tree: Any) -> None:
        best = max(tree, key=lambda one: one["score"])
        best["bbox"][0] += 25

    change(cell.predictions_path("test"), move)
    found = differing(run)
    assert ("one-seed0, test", "match table") in found
    assert {subject for subject, _ in found} == {"one-seed0, test"}


def test_predictions_that_are_gone(run: RunFolder, cell: Any) -> None:
    cell.predictions_path("val").unlink()
    found = differing(run)
    assert "there are no such predictions" in found["one-seed0, val", "figures"]


def test_a_leaked_picture(run: RunFolder) -> None:
    layout = Path(run.info().layout)
    test = sorted((layout / "images/test").iterdir())[0]
    shutil.copyfile(test, layout / "images/train/another.png")
    found = differing(run)
    assert found.keys() == {("data", "leaks, layout")}
    assert f"{test.name} in test is another.png in train" in found["data", "leaks, layout"]


def test_a_leak_in_the_source(run: RunFolder) -> None:
    """The split of such a source keeps both copies on one side; that of an older bench did not."""
    source, layout = Path(run.manifest()["config"]["path"]), Path(run.info().layout)
    test = json.loads(run.ground_truth_path("test").read_text())["images"][0]["source"]
    train = sorted((layout / "images/train").iterdir())[0].name
    shutil.copyfile(source / test, source / train)  # the layout has links
    found = differing(run)
    assert ("data", "leaks, layout") in found and ("data", "content") in found


@pytest.mark.parametrize("file", ["results.csv", "classes.csv"])
def test_a_changed_cell_of_a_table(file: str, run: RunFolder) -> None:
    record = run.records()[0]
    assert record.test is not None
    value = record.test.coco.AP50 if file == "results.csv" else record.test.classes[0].AP
    replace(run.root / file, repr(value), "0.999")
    found = differing(run)
    assert found.keys() == {(file, "table")}
    assert "'0.999', by the records" in found[file, "table"]


def test_a_missing_row(run: RunFolder) -> None:
    lines = run.classes_path.read_text().splitlines()
    run.classes_path.write_text("\n".join(lines[:-1]) + "\n")
    assert differing(run).keys() == {("classes.csv", "table")}


def test_a_changed_figure_of_the_report(run: RunFolder) -> None:
    ap = run.records()[0].ranked.coco.AP
    replace(run.report_path, f'data-v="{ap!r}"', 'data-v="0.999"')
    assert differing(run).keys() == {("report.html", "ranking")}


def test_a_changed_ground_truth_of_the_run(run: RunFolder) -> None:
    def smaller(tree: Any) -> None:
        tree["annotations"][0]["bbox"][2] -= 5

    change(run.ground_truth_path("test"), smaller)
    found = differing(run)
    assert ("data", "ground truth, test") in found and ("data", "layout, test") in found
    assert ("data", "ground truth, val") not in found and "annotation " in found["data", "layout, test"]


def test_a_changed_source(run: RunFolder) -> None:
    def smaller(tree: Any) -> None:
        tree["annotations"][0]["bbox"][2] -= 5

    change(Path(run.manifest()["config"]["path"]) / "instances.json", smaller)
    found = differing(run)
    assert ("data", "source") in found and ("data", "content") in found
    assert not any(subject.startswith("one-seed0") for subject, _ in found)


def test_a_changed_manifest(run: RunFolder) -> None:
    change(run.manifest_path, lambda tree: tree.update(key="0" * 16))
    assert differing(run).keys() == {("data", "key"), ("data", "content")}


def test_a_history_with_a_better_epoch_than_the_judged_one(run: RunFolder, cell: Any) -> None:
    rows = cell.history()
    rows[0]["metrics/AP"] = 0.99
    cell.write_history(rows)
    found = differing(run)
    assert found.keys() == {("one-seed0, history", "best epoch")}
    for row in rows:
        row["metrics/AP"] = 0.99
    cell.write_history(rows)
    assert differing(run).keys() == {("one-seed0, history", "val AP")}


def test_what_is_gone_is_skipped(run: RunFolder, whole: Path) -> None:
    for path in (Path(run.manifest()["config"]["path"]), Path(run.info().layout)):
        shutil.rmtree(path)
    for path in (run.results_path, run.classes_path, run.report_path):
        path.unlink()
    checks = list(verify(run))
    assert not [one for one in checks if one.outcome == "differs"]
    skipped = {(one.subject, one.name) for one in checks if one.outcome == "skipped"}
    assert skipped == {
        ("data", "source"),
        ("data", "layout"),
        ("results.csv", "table"),
        ("classes.csv", "table"),
        ("report.html", "ranking"),
    }


def test_predictions_of_other_tools(run: RunFolder, cell: Any, tmp_path: Path) -> None:
    truth, path = tmp_path / "truth.json", tmp_path / "mine.json"
    shutil.copyfile(run.ground_truth_path("test"), truth)
    shutil.copyfile(cell.predictions_path("test"), path)
    judged_run = bench.evaluate(truth, {"mine": path}, threshold=0.4, output=tmp_path / "judged").folder
    assert differing(judged_run) == {}
    change(path, lambda tree: tree.pop())
    change(truth, lambda tree: tree["annotations"].pop())
    assert differing(judged_run).keys() == {
        ("mine-seed0, test", "predictions' file"),
        ("ground truth, test", "file"),
    }


def test_the_command(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    command(run.root)
    printed = capsys.readouterr().out
    assert "one-seed0, test: pycocotools: the same twelve figures" in printed
    assert "0 differ, 0 could not be made" in printed
    replace(run.results_path, "one-seed0", "two-seed0")
    with pytest.raises(typer.Exit) as raised:
        command(run.root, as_json=True)
    assert raised.value.exit_code == 1
    checks = [Check(**one) for one in json.loads(capsys.readouterr().out)]
    assert [one.subject for one in checks if one.outcome == "differs"] == ["results.csv"]
    with pytest.raises(bench.RunError, match="not a run folder"):
        command(run.root / "cells")


def test_in_python(run: RunFolder) -> None:
    found = bench.verify(run.root)
    assert (
        found.passed
        and len(found.table) == len(found.checks)
        and list(found.table["outcome"].unique()) == ["ok"]
    )
    replace(run.results_path, "one-seed0", "two-seed0")
    assert [one.subject for one in bench.verify(run.root).differing] == ["results.csv"]
