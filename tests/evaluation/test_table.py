"""results.csv and classes.csv: one tidy row a cell, and one a cell, split and class."""

import csv
from pathlib import Path
from typing import Any

import pytest

from bench.evaluation import match, write_classes_csv, write_csv
from bench.evaluation.figures import split_figures
from bench.evaluation.table import CLASS_COLUMNS, COLUMNS, class_rows, rows
from bench.records import CellRecord, CocoFigures, Description, Efficiency, Failure, TrainingRecord


@pytest.fixture
def records(judged: Any, crowded_scene: Any, one_box_scene: Any) -> list[CellRecord]:
    """A cell that went well, judged for real, and one that broke."""
    truth, results = judged(crowded_scene)
    test = split_figures(match(truth, results), 0.5)
    truth, results = judged(one_box_scene)
    val = split_figures(match(truth, results), 0.25)
    done = CellRecord(
        cell="yolo-tiny-0",
        model="yolo-tiny",
        seed=0,
        dataset="abc",
        status="done",
        description=Description(
            family="yolo",
            variant="tiny",
            input_size=96,
            parameters=3000,
            trainable_parameters=2000,
            pretrained_on="nothing",
            weights=None,
            normalisation="batch norm",
        ),
        training=TrainingRecord(
            epochs=20,
            best_epoch=17,
            optimizer_steps=500,
            images_seen=8000,
            duration_s=41.5,
            stopped_early=False,
            chosen_by="AP on val",
        ),
        val=val,
        test=test,
        efficiency=Efficiency(
            checkpoint_bytes=6_000_000,
            latency_ms=12.5,
            latency_p95_ms=14.0,
            images_per_s=90.0,
            throughput_batch=8,
            timed_images=50,
            peak_memory_mib=900.0,
            peak_gpu_memory_mib=None,
            device="cpu",
        ),
    )
    broken = CellRecord(
        cell="detr-0",
        model="detr",
        seed=0,
        dataset="abc",
        status="failed",
        failure=Failure(stage="fit", reason='RuntimeError: loss is NaN,\nin "epoch" 2'),
    )
    return [done, broken]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_a_cell_with_all_its_figures(records: list[CellRecord], tmp_path: Path) -> None:
    write_csv(tmp_path / "results.csv", records)
    done, broken = read(tmp_path / "results.csv")
    val, test = records[0].val, records[0].test
    assert val and test
    for name in CocoFigures.model_fields:
        for split, figures in (("val", val), ("test", test)):
            figure = getattr(figures.coco, name)
            assert done[f"{split}/{name}"] == ("" if figure is None else repr(figure))
    assert float(done["test/AP_25_50_75"]) == test.AP_25_50_75
    assert float(done["test/f1"]) == test.operating_point.f1
    assert done["test/score_threshold"] == "0.5"
    assert (done["model"], done["variant"], done["parameters"]) == ("yolo-tiny", "tiny", "3000")
    assert (done["training/images_seen"], done["training/duration_s"]) == ("8000", "41.5")
    assert (done["latency_ms"], done["checkpoint_bytes"]) == ("12.5", "6000000")
    assert done["peak_gpu_memory_mib"] == done["reason"] == ""
    assert (broken["status"], broken["failed_stage"], broken["test/AP"]) == ("failed", "fit", "")
    assert broken["reason"] == 'RuntimeError: loss is NaN,\nin "epoch" 2'


def test_the_columns_do_not_depend_on_what_the_cells_did(records: list[CellRecord], tmp_path: Path) -> None:
    assert [tuple(row) for row in rows(records)] == [COLUMNS, COLUMNS]
    assert len(set(COLUMNS)) == len(COLUMNS)
    write_csv(tmp_path / "results.csv", records)
    head = (tmp_path / "results.csv").read_text().partition("\n")[0]
    assert head == ",".join(name for name in COLUMNS if name != "share")


def test_a_share_of_train_has_a_column_where_there_is_one(records: list[CellRecord], tmp_path: Path) -> None:
    both = [records[0], records[0].model_copy(update={"share": 25})]
    write_csv(tmp_path / "results.csv", both)
    assert [row["share"] for row in read(tmp_path / "results.csv")] == ["", "25"]
    write_classes_csv(tmp_path / "classes.csv", both)
    assert {row["share"] for row in read(tmp_path / "classes.csv")} == {"", "25"}


def test_a_row_a_cell_split_and_class(records: list[CellRecord], tmp_path: Path) -> None:
    write_classes_csv(tmp_path / "classes.csv", records)
    table = read(tmp_path / "classes.csv")
    assert [(row["cell"], row["split"], row["class"]) for row in table] == [
        ("yolo-tiny-0", "val", "class 0"),
        ("yolo-tiny-0", "test", "class 0"),
        ("yolo-tiny-0", "test", "class 1"),
        ("yolo-tiny-0", "test", "class 2"),
    ]
    assert tuple(table[0]) == tuple(name for name in CLASS_COLUMNS if name != "share")
    assert records[0].test
    assert [float(row["AP"]) for row in table[1:]] == [one.AP for one in records[0].test.classes]
    assert [row["ground_truths"] for row in table[1:]] == [
        str(one.ground_truths) for one in records[0].test.classes
    ]
    assert all(tuple(row) == CLASS_COLUMNS for row in class_rows(records))


def test_a_class_is_never_a_formula(records: list[CellRecord], tmp_path: Path) -> None:
    done = records[0]
    assert done.test
    names = ["=cmd|' /C calc'!A0", "-1+2", "@SUM(A1)", "bottle"]
    classes = tuple(done.test.classes[0].model_copy(update={"name": name}) for name in names)
    test = done.test.model_copy(update={"classes": classes})
    write_classes_csv(tmp_path / "classes.csv", [done.model_copy(update={"test": test})])
    found = [row["class"] for row in read(tmp_path / "classes.csv") if row["split"] == "test"]
    assert found == ["'=cmd|' /C calc'!A0", "'-1+2", "'@SUM(A1)", "bottle"]
