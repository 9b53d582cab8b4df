"""How long does judging take? 5,000 pictures, 500,000 detections, 80 classes: the judge against pycocotools.

    python benchmarks/evaluate.py [--images 5000] [--detections 500000] [--classes 80] [--repeats 3]

Both read the same two files and both are timed from opening them. pycocotools gives COCO's twelve figures;
the judge gives the whole verdict: those twelve, figures by class, AP over IoU .25/.50/.75, and the threshold,
precision, recall and F1 of the operating point. Exits with 1 where a figure differs by more than 1e-12, or
where the judge is less than 10 times faster.
"""

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.console import Console
from rich.table import Table

from bench.boxes import Boxes
from bench.evaluation import (
    Judge,
    Results,
    best_threshold,
    load_ground_truth,
    read_results,
    write_matches,
    write_results,
)
from bench.provenance import provenance
from bench.records import SplitFigures

BOXES_AN_IMAGE = 7.3
"""COCO val2017: 36,781 boxes in 5,000 pictures."""

NEAR_A_BOX = 0.3
"""Share of the detections that lie near a box of their class; the others lie anywhere."""

NOISE_PX = 5.0
DEMANDED_SPEEDUP = 10.0
TOLERANCE = 1e-12
WIDTH, HEIGHT = 640, 480


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=500_000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=3, help="of the judge; its median counts")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        truth_path, results_path = Path(folder, "ground_truth.json"), Path(folder, "results.json")
        write_s = write_scene(asked, truth_path, results_path)
        judge_s, verdict = timed(lambda: judge(truth_path, results_path), asked.repeats)
        reference_s, twelve = timed(lambda: reference(truth_path, results_path), 1)
    figures = [-1.0 if value is None else value for value in verdict.coco.model_dump().values()]
    largest = max(abs(mine - theirs) for mine, theirs in zip(figures, twelve, strict=True))
    show(asked, judge_s, reference_s, write_s, largest, verdict)
    return int(largest > TOLERANCE or reference_s < DEMANDED_SPEEDUP * judge_s)


def judge(truth_path: Path, results_path: Path) -> SplitFigures:
    """The product's own way from two files to the verdict."""
    judge = Judge(load_ground_truth(truth_path).classes, {"test": truth_path})
    table = judge.match("test", read_results(results_path))
    write_matches(results_path.with_suffix(".npz"), table)
    return judge.figures(table, best_threshold(table))


def reference(truth_path: Path, results_path: Path) -> list[float]:
    """pycocotools' twelve."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(truth_path))
        evaluator = COCOeval(truth, truth.loadRes(str(results_path)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(value) for value in evaluator.stats]


def timed(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Median wall seconds, and the last result."""
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), result


def write_scene(asked: argparse.Namespace, truth_path: Path, results_path: Path) -> float:
    """Seeded boxes and detections, spread over all pictures. Returns the seconds of writing the results."""
    rng = np.random.default_rng(0)
    number = round(asked.images * BOXES_AN_IMAGE)
    image_ids = rng.integers(1, asked.images + 1, number)
    category_ids = rng.integers(1, asked.classes + 1, number)
    boxes_xywh = anywhere(rng, number)
    truth = {
        "images": [
            {"id": n + 1, "file_name": f"{n}.jpg", "width": WIDTH, "height": HEIGHT}
            for n in range(asked.images)
        ],
        "categories": [{"id": n + 1, "name": f"class {n}"} for n in range(asked.classes)],
        "annotations": [
            {
                "id": n + 1,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for n, (image, category, box) in enumerate(
                zip(image_ids.tolist(), category_ids.tolist(), boxes_xywh.tolist(), strict=True)
            )
        ],
    }
    truth_path.write_text(json.dumps(truth))
    near = rng.random(asked.detections) < NEAR_A_BOX
    source = rng.integers(0, number, asked.detections)
    moved = boxes_xywh[source] + rng.normal(0, NOISE_PX, (asked.detections, 4))
    found = np.where(near[:, None], np.maximum(moved, 1.0), anywhere(rng, asked.detections)).round(3)
    results = Results(
        image_ids=np.where(near, image_ids[source], np.arange(asked.detections) % asked.images + 1),
        category_ids=np.where(
            near, category_ids[source], rng.integers(1, asked.classes + 1, asked.detections)
        ),
        boxes_xywh=found,
        scores=rng.random(asked.detections).round(6),
    )
    return timed(lambda: write_results(results_path, results), 1)[0]


def anywhere(rng: np.random.Generator, number: int) -> Boxes:
    """Boxes of 5 to 200 px, (number, 4) xywh."""
    return np.concatenate([rng.uniform(0, 400, (number, 2)), rng.uniform(5, 200, (number, 2))], axis=1).round(
        2
    )


def show(
    asked: argparse.Namespace,
    judge_s: float,
    reference_s: float,
    write_s: float,
    largest: float,
    verdict: SplitFigures,
) -> None:
    machine = provenance(" ".join(sys.argv))
    table = Table(
        title=f"{asked.images:,} pictures, {verdict.boxes:,} boxes, {asked.detections:,} detections"
    )
    table.add_column("what")
    table.add_column("seconds", justify="right")
    table.add_row(f"pycocotools {machine.versions['pycocotools']}, twelve figures", f"{reference_s:.2f}")
    table.add_row("the judge: match table, its file, the whole verdict", f"{judge_s:.2f}")
    table.add_row("writing the results file", f"{write_s:.2f}")
    console = Console(width=100)
    console.print(table)
    console.print(f"{reference_s / judge_s:.1f} times faster (demanded: {DEMANDED_SPEEDUP:g})")
    console.print(f"largest difference of a figure: {largest:g} (allowed: {TOLERANCE:g})")
    versions = f"Python {machine.python}, numpy {machine.versions['numpy']}"
    console.print(f"{machine.cpu}, {machine.cpu_count} CPUs, {machine.memory_gib} GiB; {versions}")


if __name__ == "__main__":
    sys.exit(main())
