"""How long does a verdict with intervals take? 1,000 paired resamples of 3 models x 3 seeds, and its peers.

    python benchmarks/resampling.py [--images 5000] [--detections 500000] [--draws 1000]

Ours: nine match tables are built, then the figures of each are computed for the same draws of images:
once the figures that a verdict rests on (AP, AP50, AP75, AR, AP_rare, F1, those by class), once with AP
and AR by size, so that COCO's twelve are all there. Peers: pycocotools judges one table, scaled to nine;
hotcoco's `compare` resamples one pair with all twelve figures. The score that a training watches (AP, AP50,
AP75, AR and AP_rare over all sizes) is compared with hotcoco's evaluation at COCO's thresholds, from arrays.

Ratios are of CPU seconds of this process, so that other work on the machine matters less; wall seconds
stand beside them. Detections are made so that scores follow their overlap, as a trained model's do. Exits
with 1 where the verdict is less than 6 times faster than pycocotools, where a resample of a pair is less
than 20 times faster than hotcoco's, where memory passes 4 GiB, where the time of a draw is not linear in
images or draws, or where a score takes longer than hotcoco's."""

import argparse
import contextlib
import io
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.console import Console
from rich.table import Table

from bench.evaluation import GroundTruth, Results, WeightedFigures, load_ground_truth, match, write_results
from bench.evaluation.figures import quick_figures
from bench.provenance import provenance

BOXES_AN_IMAGE = 7.3
"""COCO val2017: 36,781 boxes in 5,000 images."""

MODELS, SEEDS = 3, 3
DEMANDED_OVER_PYCOCOTOOLS = 6.0
DEMANDED_OVER_HOTCOCO = 20.0
MOST_GIB = 4.0
MOST_OVER_LINEAR = 1.3
"""Twice the images, or the draws, may take so many times twice the time: small sizes are noisy."""

HOTCOCO_DRAWS = 8


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds."""

    cpu_s: float
    wall_s: float

    def __truediv__(self, parts: float) -> "Cost":
        return Cost(self.cpu_s / parts, self.wall_s / parts)

    def __mul__(self, times: float) -> "Cost":
        return Cost(self.cpu_s * times, self.wall_s * times)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=500_000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--draws", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        truth_path = Path(folder, "ground_truth.json")
        write_truth(asked, truth_path)
        truth = load_ground_truth(truth_path)
        trainings = [detections(truth, asked.detections, seed) for seed in range(MODELS * SEEDS)]
        costs = ours(truth, trainings, asked)
        memory_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        paths = [Path(folder, f"{number}.json") for number in range(2)]
        for path, results in zip(paths, trainings, strict=False):
            write_results(path, results)
        costs["pycocotools, nine tables (one, times nine)"] = reference(truth_path, paths[0]) * len(trainings)
        costs["hotcoco compare, a pair, a draw, twelve figures"] = compare(truth_path, paths)
        costs["score"], costs["hotcoco score"] = scores(truth, truth_path, trainings[0])
    return show(asked, costs, memory_gib)


def ours(truth: GroundTruth, trainings: list[Results], asked: argparse.Namespace) -> dict[str, Cost]:
    """Costs by name, in the order of the table."""
    rng = np.random.default_rng(0)
    weights = drawn(rng, asked.draws, asked.images)
    built, tables = timed(lambda: [match(truth, results) for results in trainings])
    costs = {"nine match tables": built}
    for name, sizes in (("", False), (", twelve figures", True)):
        making, figures = timed(
            lambda sizes=sizes: [WeightedFigures(table, score_threshold=0.5, sizes=sizes) for table in tables]
        )
        many = asked.draws
        drawing, _ = timed(lambda figures=figures, many=many: [one.batch(weights[:many]) for one in figures])
        costs[f"a table, a draw{name}"] = drawing / (many * len(tables))
        if not sizes:
            costs["verdict: tables and all draws"] = Cost(
                built.cpu_s + making.cpu_s + drawing.cpu_s, built.wall_s + making.wall_s + drawing.wall_s
            )
            fewer, _ = timed(lambda figures=figures, many=many: figures[0].batch(weights[: many // 4]))
            costs["a table, a draw, of a quarter of the draws"] = fewer / max(many // 4, 1)
    half = halved(truth, trainings[0], asked.images // 2)
    small = WeightedFigures(match(*half), score_threshold=0.5, sizes=False)
    fewer_weights = drawn(rng, max(asked.draws // 4, 1), asked.images // 2)
    quick, _ = timed(lambda: small.batch(fewer_weights))
    costs["a table, a draw, half the images"] = quick / len(fewer_weights)
    return costs


def drawn(rng: np.random.Generator, draws: int, images: int) -> NDArray[np.int64]:
    """How often each image is drawn, with replacement: (draws, images)."""
    return rng.multinomial(images, np.full(images, 1 / images), size=draws)


def reference(truth_path: Path, results_path: Path) -> Cost:
    """pycocotools' twelve figures, from the files."""

    def judge() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(truth_path))
            evaluator = COCOeval(truth, truth.loadRes(str(results_path)), "bbox")
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()

    return timed(judge)[0]


def compare(truth_path: Path, paths: list[Path]) -> Cost:
    """One resample of a pair: the difference of two calls, of which one draws nothing."""
    truth = hotcoco.COCO(str(truth_path))
    pair = []
    for path in paths:
        evaluator = hotcoco.COCOeval(truth, truth.load_res(str(path)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        pair.append(evaluator)
    none, _ = timed(lambda: hotcoco.compare(*pair, n_bootstrap=1))
    some, _ = timed(lambda: hotcoco.compare(*pair, n_bootstrap=1 + HOTCOCO_DRAWS))
    return Cost(some.cpu_s - none.cpu_s, some.wall_s - none.wall_s) / HOTCOCO_DRAWS


def scores(truth: GroundTruth, truth_path: Path, results: Results) -> tuple[Cost, Cost]:
    """The best of three each, in turns."""
    theirs = hotcoco.COCO(str(truth_path))
    rows = [results.image_ids, results.boxes_xywh, results.scores, results.category_ids]

    def hotcoco_score() -> None:
        found = theirs.load_res(np.column_stack(rows).astype(np.float64))
        evaluator = hotcoco.COCOeval(theirs, found, "bbox")
        evaluator.params.area_rng, evaluator.params.area_rng_lbl = [[0.0, 1e10]], ["all"]
        evaluator.params.max_dets = [100]
        evaluator.evaluate()
        evaluator.accumulate()

    pairs = [
        (timed(lambda: quick_figures(match(truth, results, quick=True)))[0], timed(hotcoco_score)[0])
        for _ in range(3)
    ]
    ours, others = zip(*pairs, strict=True)
    return min(ours, key=lambda cost: cost.cpu_s), min(others, key=lambda cost: cost.cpu_s)


def timed(work: Callable[[], Any]) -> tuple[Cost, Any]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall), result


def write_truth(asked: argparse.Namespace, path: Path) -> None:
    """Boxes of 5 to 200 px, spread evenly over images and classes."""
    rng = np.random.default_rng(0)
    number = round(asked.images * BOXES_AN_IMAGE)
    boxes = np.concatenate(
        [rng.uniform(0, 400, (number, 2)), rng.uniform(5, 200, (number, 2))], axis=1
    ).round(2)
    columns = (rng.integers(1, asked.images + 1, number), rng.integers(1, asked.classes + 1, number), boxes)
    truth = {
        "info": {},
        "images": [{"id": n + 1, "file_name": f"{n}.jpg"} for n in range(asked.images)],
        "categories": [{"id": n + 1, "name": f"class {n}"} for n in range(asked.classes)],
        "annotations": [
            {"id": n + 1, "image_id": i, "category_id": c, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
            for n, (i, c, b) in enumerate(zip(*(column.tolist() for column in columns), strict=True))
        ],
    }
    path.write_text(json.dumps(truth))


def detections(truth: GroundTruth, number: int, seed: int) -> Results:
    """A model of about 0.5 AP: objects of differing ease found some times each, false alarms of low score."""
    ease = np.random.default_rng(0).beta(2, 1.2, len(truth.object_id))  # the same for all models
    rng = np.random.default_rng(seed + 1)
    found = np.flatnonzero(rng.random(len(ease)) < ease**0.35)
    source = np.repeat(found, 1 + rng.poisson(1.5, len(found)))[:number]
    first = np.append(True, source[1:] != source[:-1])
    spread = (1.05 - ease[source]) * np.where(first, 0.14, 0.28)
    boxes = truth.object_xywh[source]
    moved = boxes + rng.normal(0, 1, boxes.shape) * spread[:, None] * np.tile(boxes[:, 2:], 2)
    logit = 4 * (ease[source] - 0.45) + rng.normal(0, 0.8, len(source)) - np.where(first, 0, 2.5)
    rest = number - len(source)
    alarms = np.concatenate([rng.uniform(0, 400, (rest, 2)), rng.uniform(5, 200, (rest, 2))], axis=1)
    images, classes = len(truth.image_ids), len(truth.classes)
    logits = np.append(logit, rng.normal(-4, 1.2, rest))
    return Results(
        image_ids=np.append(truth.object_image[source] + 1, rng.integers(1, images + 1, rest)),
        category_ids=np.append(truth.object_label[source] + 1, rng.integers(1, classes + 1, rest)),
        boxes_xywh=np.concatenate([np.maximum(moved, 1.0), alarms]).round(3),
        scores=(1 / (1 + np.exp(-logits))).round(6),
    )


def halved(truth: GroundTruth, results: Results, images: int) -> tuple[GroundTruth, Results]:
    """The first so many images, their objects and their detections."""
    kept, found = truth.object_image < images, results.image_ids <= images
    return GroundTruth(
        path=truth.path,
        classes=truth.classes,
        file_image_ids=truth.image_ids[:images],
        image_ids=truth.image_ids[:images],
        object_image=truth.object_image[kept],
        object_label=truth.object_label[kept],
        object_xywh=truth.object_xywh[kept],
        object_area=truth.object_area[kept],
        object_crowd=truth.object_crowd[kept],
        object_id=truth.object_id[kept],
    ), Results(
        image_ids=results.image_ids[found],
        category_ids=results.category_ids[found],
        boxes_xywh=results.boxes_xywh[found],
        scores=results.scores[found],
    )


def show(asked: argparse.Namespace, costs: dict[str, Cost], memory_gib: float) -> int:
    table = Table(
        title=f"{asked.images:,} images, {asked.detections:,} detections a table, {asked.draws:,} draws"
    )
    table.add_column("what")
    table.add_column("CPU seconds", justify="right")
    table.add_column("wall seconds", justify="right")
    for name, cost in costs.items():
        table.add_row(name, f"{cost.cpu_s:.4g}", f"{cost.wall_s:.4g}")
    draw = costs["a table, a draw"].cpu_s
    hot = costs["hotcoco compare, a pair, a draw, twelve figures"].cpu_s
    verdict, judged = (
        costs["verdict: tables and all draws"],
        costs["pycocotools, nine tables (one, times nine)"],
    )
    twelve = costs["a table, a draw, twelve figures"].cpu_s
    checks = (
        ("verdict over pycocotools, CPU", judged.cpu_s / verdict.cpu_s, DEMANDED_OVER_PYCOCOTOOLS, False),
        ("draw of a pair over hotcoco's, CPU", hot / (2 * draw), DEMANDED_OVER_HOTCOCO, False),
        ("the same with all twelve figures", hot / (2 * twelve), DEMANDED_OVER_HOTCOCO, False),
        ("score over hotcoco's, CPU", costs["score"].cpu_s / costs["hotcoco score"].cpu_s, 1.0, True),
        ("memory, GiB", memory_gib, MOST_GIB, True),
        (
            "a draw, all draws over a quarter of them",
            draw / costs["a table, a draw, of a quarter of the draws"].cpu_s,
            MOST_OVER_LINEAR,
            True,
        ),
        (
            "a draw, all images over twice half of them",
            draw / (2 * costs["a table, a draw, half the images"].cpu_s),
            MOST_OVER_LINEAR,
            True,
        ),
    )
    results = Table()
    for column in ("ratio", "found", "demanded"):
        results.add_column(column)
    for name, found, demanded, at_most in checks:
        results.add_row(name, f"{found:.2f}", f"{'at most' if at_most else 'at least'} {demanded:g}")
    console = Console(width=110)
    console.print(table)
    console.print(results)
    console.print(f"wall: verdict {verdict.wall_s:.0f} s, pycocotools {judged.wall_s:.0f} s")
    machine = provenance(" ".join(sys.argv))
    console.print(
        f"{machine.cpu}, {machine.cpu_count} CPUs, {machine.memory_gib} GiB; Python {machine.python}"
    )
    missed = [found > demanded if at_most else found < demanded for _, found, demanded, at_most in checks]
    return int(any(missed))


if __name__ == "__main__":
    sys.exit(main())
