"""Predictions of another tool are judged exactly as those of trained models."""

import contextlib
import io
import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import bench
from bench import external
from bench.errors import ConfigError
from bench.evaluation import Judge, Results, best_threshold, matches_of
from bench.external.judging import _limited
from bench.reports import keep_samples
from bench.reports.comparison import compare
from bench.reports.needs import needs
from bench.reports.page import render
from bench.runner import run as runner
from bench.runner.run import RunResult
from bench.store import RunFolder


@pytest.fixture(autouse=True)
def without_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds."""
    if "slow" not in request.keywords:

        def conclude(run: RunFolder) -> RunResult:
            return RunResult(run=run, records=(), report=run.report_path, comparisons=())

        monkeypatch.setattr("bench.external.judging.conclude", conclude)


def evaluate(tmp_path: Path, truth: Path, predictions: dict[str, Path], **more: Any) -> bench.Run:
    return bench.evaluate(truth, predictions, output=tmp_path / "judged", **more)


def page_of(*runs: RunFolder) -> str:
    return render(compare(runs))


@pytest.mark.slow
def test_a_trained_model_s_own_predictions_give_its_record(fake_config: Path, tmp_path: Path) -> None:
    trained = bench.run(fake_config, overrides={"runs": str(tmp_path / "runs")}, progress=False)
    cells = {f"{one.model}/{one.seed}": trained.folder.cell(one.cell) for one in trained.records}
    run = evaluate(
        tmp_path,
        trained.path,
        {name: cell.predictions_path("test") for name, cell in cells.items()},
        val_predictions={name: cell.predictions_path("val") for name, cell in cells.items()},
    )
    assert len(run.records) == 2
    for found, record in zip(run.records, trained.records, strict=True):
        assert (found.val, found.test) == (record.val, record.test)
        assert (found.dataset, found.rare_classes) == (record.dataset, record.rare_classes)
        assert found.training is None and found.efficiency is None
        mine, theirs = run.folder.cell(found.cell), trained.folder.cell(record.cell)
        for split in ("val", "test"):
            for name in (f"predictions_{split}.json", f"matches_{split}.npz"):
                assert (mine.root / name).read_bytes() == (theirs.root / name).read_bytes()
    assert (run.path / "report.html").is_file() and (run.path / "results.csv").is_file()
    shutil.rmtree(run.path)
    assert len(compare([trained.folder])) == 1


def test_the_figures_are_pycocotools_on_these_files(truth, detections, write, tmp_path: Path) -> None:
    paths = write("t.json", truth), write("p.json", detections)
    (record,) = evaluate(tmp_path, paths[0], {"mine": paths[1]}).records
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(paths[0]))
        evaluator = COCOeval(reference, reference.loadRes(str(paths[1])), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    stats = [None if value == -1 else value for value in evaluator.stats]
    assert list(record.test.coco.model_dump().values()) == stats and stats[0] > 0.2


def test_nothing_is_chosen_on_test(truth, detections, write, tmp_path: Path) -> None:
    paths = write("t.json", truth), write("p.json", detections)
    run = evaluate(tmp_path, paths[0], {"mine": paths[1]})
    assert run.records[0].test.operating_point is None and run.results["test/f1"].isna().all()
    assert "No score threshold, so no errors to count: mine" in page_of(run.folder)


def test_a_threshold_of_val_or_a_given_one(truth, detections, write, tmp_path: Path) -> None:
    paths = write("t.json", truth), write("p.json", detections)
    given = bench.evaluate(paths[0], {"mine": paths[1]}, threshold=0.5, output=tmp_path / "given")
    assert given.records[0].test.operating_point.score_threshold == 0.5
    half = write("v.json", detections[::2])
    (record,) = evaluate(
        tmp_path, paths[0], {"mine": paths[1]}, val_truth=paths[0], val_predictions={"mine": half}
    ).records
    judge = Judge.of_run(RunFolder(tmp_path / "judged"))
    chosen = best_threshold(
        matches_of(RunFolder(tmp_path / "judged"), RunFolder(tmp_path / "judged").cell("mine-seed0"), "val")
    )
    assert judge.classes == ("cat", "dog", "Zebra fish")
    assert record.test.operating_point.score_threshold == record.val.operating_point.score_threshold == chosen


def test_beside_trained_models_in_one_report(trained: RunFolder, tmp_path: Path) -> None:
    """By the same ground truth, whether it is taken from the run or from its json."""
    path = trained.cell("frcnn-seed0").predictions_path("test")
    by_json = bench.evaluate(trained.ground_truth_path("test"), {"mine": path}, output=tmp_path / "json")
    by_run = bench.evaluate(trained.root, {"theirs": path}, output=tmp_path / "run")
    (comparison,) = compare([trained, by_json.folder, by_run.folder])
    assert {c.label for c in comparison.finished} == {"frcnn", "mine", "theirs"}
    assert not isinstance(comparison.certainty, str)
    assert comparison.certainty.comparison("AP").difference("mine", "frcnn").estimate == 0
    page = render([comparison])
    assert "mine and theirs: predictions of other tools" in page


def test_another_ground_truth_stands_apart(trained: RunFolder, write, tmp_path: Path) -> None:
    tree = json.loads(trained.ground_truth_path("test").read_text())
    tree["annotations"][0]["bbox"][0] += 1
    path = trained.cell("frcnn-seed0").predictions_path("test")
    other = evaluate(tmp_path, write("other.json", tree), {"mine": path})
    assert len(compare([trained, other.folder])) == 2


def test_seeds_and_images(truth, detections, write, tmp_path: Path) -> None:
    paths = write("t.json", truth), write("p.json", detections)
    for image in truth["images"]:
        path = tmp_path / "images" / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (200, 100), "navy").save(path)
    run = evaluate(
        tmp_path,
        paths[0],
        {"mine/0": paths[1], "mine/1": paths[1]},
        images=tmp_path / "images",
        threshold=0.3,
    )
    assert [(one.model, one.seed) for one in run.records] == [("mine", 0), ("mine", 1)]
    keep_samples(compare([run.folder]))
    assert run.folder.samples() and "of 8 test images, chosen" in page_of(run.folder)


def test_more_detections_than_a_trained_model_may_have(truth, detections, write, tmp_path: Path) -> None:
    crowd = [{**detections[0], "score": 0.9 - place / 1000} for place in range(150)]
    faint = [{**detections[1], "score": 0.0005}]
    run = evaluate(tmp_path, write("t.json", truth), {"mine": write("p.json", [*faint, *crowd])})
    assert run.records[0].test.detections == 100
    (entry,) = run.records[0].ledger
    assert (entry.asked, entry.used) == ("151", "100") and "best 100 of an image" in entry.why


def test_the_limit_keeps_the_best_of_each_image_in_the_order_of_the_file() -> None:
    chance = np.random.default_rng(0)
    images = chance.integers(1, 4, 700)
    results = Results(images, np.ones(700, int), np.zeros((700, 4)), chance.random(700).round(2))
    kept = _limited(results)
    for image in (1, 2, 3):
        mine = np.sort(results.scores[images == image])[::-1][:100]
        assert np.array_equal(np.sort(kept.scores[kept.image_ids == image])[::-1], mine)
    places = [
        next(p for p in range(700) if images[p] == i and results.scores[p] == s)
        for i, s in zip(kept.image_ids[:5], kept.scores[:5], strict=True)
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("names", "more", "said"),
    [
        (("a b",), {}, "is no name of a model"),
        (("mine/x",), {}, "seeds are whole numbers"),
        (("mine", "mine/0"), {}, "is named twice"),
        ((), {}, "there are none"),
        (("mine",), {"val_predictions": {"other": "p.json"}}, "same names"),
        (("mine",), {"val_predictions": {"mine": "p.json"}}, "need their ground truth"),
    ],
)
def test_wrong_names(names, more, said: str, truth, detections, write, tmp_path: Path) -> None:
    paths = write("t.json", truth), write("p.json", detections)
    with pytest.raises(ConfigError, match=said):
        evaluate(tmp_path, paths[0], dict.fromkeys(names, paths[1]), **more)
    assert not (tmp_path / "judged").exists()


def test_a_refused_request_leaves_nothing(truth, detections, write, tmp_path: Path) -> None:
    paths = write("t.json", truth), write("p.json", [{**detections[0], "image_id": 1000}])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(bench.RunError, match="not in the ground truth"):
        evaluate(tmp_path, paths[0], {"mine": paths[1]})
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "judged").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        evaluate(tmp_path, paths[0], {"mine": paths[1]})


def test_there_is_nothing_to_resume_or_to_predict_with(truth, detections, write, tmp_path: Path) -> None:
    paths = write("t.json", truth), write("p.json", detections)
    run = evaluate(tmp_path, paths[0], {"mine": paths[1]})
    with pytest.raises(bench.RunError, match="nothing to train"):
        run.resume()
    with pytest.raises(bench.RunError, match="has no model"):
        bench.predict(run.path / "mine-seed0", [str(tmp_path)])
    assert external.Request(paths[0], {}).threshold is None


def test_intervals_and_errors_are_computed_once(
    truth, detections, write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the kept pictures, the page, its figures and the terminal together."""
    paths = write("t.json", truth), write("p.json", detections), write("q.json", detections[::2])
    folder = evaluate(tmp_path, paths[0], {"mine": paths[1], "theirs": paths[2]}, threshold=0.3).folder
    computed = []

    def counted(name: str) -> None:
        module, _, function = name.rpartition(".")
        of = getattr(import_module(module), function)
        monkeypatch.setattr(name, lambda *some, **more: computed.append(function) or of(*some, **more))

    counted("bench.reports.certainty.certainty")
    counted("bench.reports.failures.errors._split_errors")
    monkeypatch.setattr("bench.reports.figures.draw", lambda comparisons, folder: [])
    run = bench.api.runs.Run.of(runner.conclude(folder))
    assert run.verdict and sorted(computed) == ["_split_errors", "certainty"]
    assert bench.open(run.path).verdict == run.verdict and computed.count("certainty") == 2


def test_no_need_at_a_threshold_of_val_where_a_model_has_no_val(
    truth, detections, write, tmp_path: Path
) -> None:
    paths = write("t.json", truth), write("p.json", detections), write("q.json", detections[::2])
    names = {"mine": paths[1], "theirs": paths[2]}
    with_val = bench.evaluate(
        paths[0], names, val_truth=paths[0], val_predictions=names, output=tmp_path / "with"
    )
    without = evaluate(tmp_path, paths[0], {"others": paths[1]})
    (both,) = compare([with_val.folder, without.folder])
    (alone,) = compare([with_val.folder])
    on_val = {"Few false alarms", "Hardly any false alarm", "Finding everything"}
    assert on_val & {card.title for card in needs(alone).cards}
    assert not on_val & {card.title for card in needs(both).cards} and needs(both).cards
