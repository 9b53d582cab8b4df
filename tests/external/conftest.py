"""A ground truth with gaps in its ids, and the same detections in the forms in which tools write them."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import evaluation
from bench.evaluation import Judge
from bench.external.truth import read_truth
from bench.provenance import provenance
from bench.records import CellRecord
from bench.store import RunFolder, RunInfo

SIZE = (200, 100)
CATEGORIES = ((2, "cat"), (5, "dog"), (9, "Zebra fish"))


@pytest.fixture
def truth() -> dict[str, Any]:
    """Eight images, ids 3, 6 ... 24, each with two objects; `info` as pycocotools demands it."""
    chance = np.random.default_rng(0)
    images = [
        {"id": 3 * place, "file_name": f"shop/0{place}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for place in range(1, 9)
    ]
    annotations = []
    for image in images:
        for half in (0, 100):
            x, y = half + chance.integers(0, 30), chance.integers(0, 30)
            box = [int(x), int(y), int(chance.integers(20, 60)), int(chance.integers(20, 60))]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": CATEGORIES[len(annotations) % 3][0],
                    "bbox": box,
                    "area": box[2] * box[3] / 2,
                    "iscrowd": int(len(annotations) == 5),
                }
            )
    return {
        "info": {},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in reversed(CATEGORIES)],
    }


@pytest.fixture
def detections(truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Most objects, a little beside, some twice or of the wrong class; in the ids of `truth`."""
    chance = np.random.default_rng(1)
    found = []
    for one in truth["annotations"][:-1]:
        for _ in range(1 + int(chance.random() < 0.3)):
            box = (np.array(one["bbox"], float) + chance.normal(0, 2, 4)).round(2)
            category = one["category_id"] if chance.random() < 0.8 else 2
            score = round(float(chance.random()), 4)
            found.append(
                {
                    "image_id": one["image_id"],
                    "category_id": category,
                    "bbox": np.abs(box).tolist(),
                    "score": score,
                }
            )
    return found


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Any], Path]:
    def to(name: str, tree: Any) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(tree), encoding="utf-8")
        return path

    return to


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[[str, Sequence[str], Sequence[Sequence[Any]]], Path]:
    def to(name: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return to


@pytest.fixture
def trained(truth: dict[str, Any], detections: list[dict[str, Any]], write: Any, tmp_path: Path) -> RunFolder:
    """The run folder of a model that found `detections` on test, as a cell leaves it."""
    known = read_truth(write("source.json", truth), "test")
    run = RunFolder(tmp_path / "trained")
    cell = run.cell("frcnn-seed0")
    cell.root.mkdir(parents=True)
    run.ground_truth_path("test").parent.mkdir()
    run.ground_truth_path("test").write_text(json.dumps(known.coco), encoding="utf-8")
    ours = [{**one, "category_id": known.category_ids.index(one["category_id"]) + 1} for one in detections]
    cell.predictions_path("test").write_text(json.dumps(ours), encoding="utf-8")
    judge = Judge(known.classes, {"test": run.ground_truth_path("test")})
    table = judge.match("test", evaluation.read_results(cell.predictions_path("test")))
    record = CellRecord(
        cell=cell.name,
        model="frcnn",
        seed=0,
        dataset="0123456789abcdef",
        status="done",
        test=judge.figures(table, 0.3),
    )
    cell.record_path.write_text(record.model_dump_json(), encoding="utf-8")
    info = RunInfo(
        name="demo",
        layout=str(tmp_path / "layout"),
        dataset=record.dataset,
        classes=known.classes,
        cells=(cell.name,),
        provenance=provenance("bench run"),
    )
    run.info_path.write_text(info.model_dump_json(), encoding="utf-8")
    run.manifest_path.write_text(json.dumps({"key": record.dataset, "classes": list(known.classes)}))
    return run
