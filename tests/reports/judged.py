"""Runs whose records are those of their predictions, so that reports know how sure their figures are."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.evaluation import Judge, best_threshold, read_results, write_matches
from bench.records import CellRecord
from bench.store import RunFolder

WIDTH, HEIGHT = 160, 120


def write_scene(run: RunFolder, classes: Sequence[str], images: int) -> None:
    """Ground truth of val and test: three objects an image, rarer from class to class."""
    for seed, split in enumerate(("val", "test")):
        rng = np.random.default_rng(seed)
        shares = 0.6 ** np.arange(len(classes))
        labels = rng.choice(len(classes), size=3 * images, p=shares / shares.sum())
        boxes = np.concatenate([rng.uniform(0, 60, (3 * images, 2)), rng.uniform(20, 60, (3 * images, 2))], 1)
        truth = json.loads(run.ground_truth_path("test").read_text())
        known = {image["id"]: image["file_name"] for image in truth["images"]}
        truth["images"] = [
            {"id": k, "file_name": known.get(k, f"photo {k}.jpg"), "width": WIDTH, "height": HEIGHT}
            for k in range(1, images + 1)
        ]
        truth["categories"] = [{"id": k + 1, "name": name} for k, name in enumerate(classes)]
        truth["annotations"] = [
            {"id": k + 1, "image_id": k // 3 + 1, "category_id": int(label) + 1, "iscrowd": 0,
             "bbox": box.round(1).tolist(), "area": float(box[2] * box[3])}
            for k, (label, box) in enumerate(zip(labels, boxes, strict=True))
        ]  # fmt: skip
        run.ground_truth_path(split).write_text(json.dumps(truth))


def write_predictions(run: RunFolder, record: CellRecord, skill: float, classes: int) -> None:
    """Objects found with probability `skill`, at times with another class, and false alarms of low score."""
    for split in ("val", "test"):
        chance = np.random.default_rng([*record.cell.encode(), split == "val"])
        truth = json.loads(run.ground_truth_path(split).read_text())
        found: list[dict[str, Any]] = []
        for box in truth["annotations"]:
            if chance.random() < skill:
                right = chance.random() < 0.9
                label = box["category_id"] if right else int(chance.integers(1, classes + 1))
                score = chance.beta(8, 2) if right else chance.beta(3, 4)
                found.append(_detection(box["image_id"], label, box["bbox"], score, chance))
        for image in truth["images"]:
            spot = [*chance.uniform(0, 80, 2).tolist(), 40.0, 30.0]
            label = int(chance.integers(1, classes + 1))
            found.append(_detection(image["id"], label, spot, chance.beta(2, 6), chance))
        run.cell(record.cell).predictions_path(split).write_text(json.dumps(found))


def _detection(
    image: int, label: int, box: Sequence[float], score: float, chance: np.random.Generator
) -> dict[str, Any]:
    moved = [max(1.0, side + chance.normal(0, 2)) for side in box]
    return {"image_id": image, "category_id": label, "bbox": moved, "score": round(score, 4)}


def judge_anew(run: RunFolder, record: CellRecord) -> None:
    """The record's figures and the match tables, from the predictions."""
    judge, cell = Judge.of_run(run, record.rare_classes), run.cell(record.cell)
    tables = {
        split: judge.match(split, read_results(cell.predictions_path(split))) for split in ("val", "test")
    }
    for split, table in tables.items():
        write_matches(cell.matches_path(split), table)
    threshold = best_threshold(tables["val"])
    figures = {split: judge.figures(table, threshold) for split, table in tables.items()}
    cell.record_path.write_text(record.model_copy(update=figures).model_dump_json())
