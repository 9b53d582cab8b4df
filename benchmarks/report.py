"""How long does `bench report` take, and is its page quick? 3 models x 3 seeds, 500,000 detections each.

    python benchmarks/report.py [--images 5000] [--detections 500000] [--seeds 3] [--keep FOLDER]

Writes a run of made-up detections with its match tables, then runs `bench report` on it in a process of its
own. Exits with 1 where that takes more than 20 s of wall time or 1.5 GiB, or where the page is larger than
25 MB. On a busy machine look at the CPU seconds: two idle cores do up to two of them a second.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from resampling import detections, write_truth
from rich.console import Console
from rich.table import Table

from bench import files
from bench.evaluation import Judge, MatchTable, Results, best_threshold, write_matches, write_results
from bench.provenance import provenance
from bench.records import CellRecord, Description, Efficiency, TrainingRecord
from bench.store import CellFolder, RunFolder

MODELS = ("alpha", "beta", "gamma")
MOST_WALL_S, MOST_GIB, MOST_MB = 20.0, 1.5, 25.0
SIDES = (640, 480)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=500_000, help="of a training, on test")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="make the run here, or use the one that is here")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = asked.keep or Path(folder, "run")
        if not (root / "run.json").is_file():
            make_run(asked, root)
        return show(asked, *report(root))


def report(root: Path) -> tuple[float, float, float, float]:
    """Wall seconds, CPU seconds, GiB at most and MB of the page."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "report", str(root)], stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - begun
    if status:
        raise SystemExit("bench report failed")
    page_mb = (root / "report.html").stat().st_size / 1e6
    return wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20, page_mb


def make_run(asked: argparse.Namespace, root: Path) -> None:
    """A run folder as `bench run` leaves it, with a written dataset of one picture under many names."""
    run, layout = RunFolder(root), root / "layout"
    for split in ("val", "test"):
        run.ground_truth_path(split).parent.mkdir(parents=True, exist_ok=True)
        write_truth(asked, run.ground_truth_path(split))
        with_sizes(run.ground_truth_path(split))
    write_pictures(asked.images, layout / "images" / "test")
    made = provenance("benchmarks/report.py").model_dump()
    cells = [f"{model}-seed{seed}" for model in MODELS for seed in range(asked.seeds)]
    classes = tuple(f"class {n}" for n in range(asked.classes))
    for number, cell in enumerate(cells):
        write_cell(asked, run, run.cell(cell), number)
    config = {"report": {"pictures": asked.pictures, "megabytes": 20.0}}
    files.write_json(
        run.info_path,
        {"version": 2, "name": "benchmark", "layout": str(layout), "dataset": "made-up", "config": config,
         "classes": classes, "cells": cells, "provenance": made},
    )  # fmt: skip


def with_sizes(path: Path) -> None:
    """Give every image of a COCO json its width and height."""
    truth = json.loads(path.read_text())
    for image in truth["images"]:
        image["width"], image["height"] = SIDES
    path.write_text(json.dumps(truth))


def write_pictures(images: int, folder: Path) -> None:
    """One picture of noise, linked so many times."""
    noise = np.random.default_rng(0).integers(0, 255, (SIDES[1] // 8, SIDES[0] // 8, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(noise).resize(SIDES, Image.Resampling.BICUBIC).save(content, "JPEG", quality=85)
    files.write_bytes(folder / "0.jpg", content.getvalue())
    for number in range(1, images):
        (folder / f"{number}.jpg").hardlink_to(folder / "0.jpg")


def write_cell(asked: argparse.Namespace, run: RunFolder, cell: CellFolder, number: int) -> None:
    """Predictions, match tables and the record of one training; later models find less."""
    paths = {split: run.ground_truth_path(split) for split in ("val", "test")}
    classes = tuple(f"class {n}" for n in range(asked.classes))
    judge = Judge(classes, paths)
    model, seed = MODELS[number // asked.seeds], number % asked.seeds
    tables: dict[str, MatchTable] = {}
    for offset, split in ((100, "val"), (0, "test")):
        found = worse(
            detections(judge.ground_truth(split), asked.detections, number + offset), number // asked.seeds
        )
        write_results(cell.predictions_path(split), found)
        tables[split] = judge.match(split, found)
        write_matches(cell.matches_path(split), tables[split])
    threshold = best_threshold(tables["val"])
    record = CellRecord(
        cell=cell.name, model=model, seed=seed, dataset="made-up", status="done",
        description=Description(
            family=model, variant="tiny", input_size=640, parameters=(number // asked.seeds + 1) * 10**7,
            trainable_parameters=10**7, pretrained_on="nothing", weights=None, normalisation="batch norm",
        ),
        training=TrainingRecord(
            epochs=12, best_epoch=11, optimizer_steps=100, images_seen=1000, duration_s=60.0,
            stopped_early=False, chosen_by="AP on val",
        ),
        val=judge.figures(tables["val"], threshold),
        test=judge.figures(tables["test"], threshold),
        efficiency=Efficiency(
            checkpoint_bytes=4 * 10**7, latency_ms=20.0 - number, latency_p95_ms=30.0, images_per_s=100.0,
            latency_rounds_ms=(20.0, 20.5, 19.5), throughput_batch=16, timed_images=64,
            peak_memory_mib=900.0 + number, peak_gpu_memory_mib=None, device="cpu",
        ),
        provenance=provenance("benchmarks/report.py"),
    )  # fmt: skip
    files.write_text(cell.record_path, record.model_dump_json())


def worse(found: Results, model: int) -> Results:
    """The boxes of model number `model` are off by so many percent more of their size."""
    chance = np.random.default_rng(model)
    moved = found.boxes_xywh.copy()
    moved[:, :2] += 0.03 * model * chance.normal(0, 1, (len(moved), 2)) * moved[:, 2:]
    return Results(found.image_ids, found.category_ids, moved.round(3), found.scores)


def show(asked: argparse.Namespace, wall_s: float, cpu_s: float, gib: float, page_mb: float) -> int:
    rows = [
        ("wall seconds", wall_s, MOST_WALL_S),
        ("CPU seconds", cpu_s, None),
        ("GiB at most", gib, MOST_GIB),
        ("MB of the page", page_mb, MOST_MB),
    ]
    table = Table(title=f"bench report: {len(MODELS)} x {asked.seeds} trainings, {asked.images:,} images, "
                        f"{asked.detections:,} detections each, {asked.classes} classes")  # fmt: skip
    for column in ("what", "found", "allowed"):
        table.add_column(column)
    for name, found, allowed in rows:
        table.add_row(name, f"{found:.3g}", "" if allowed is None else f"{allowed:g}")
    machine = provenance(" ".join(sys.argv))
    console = Console(width=110)
    console.print(table)
    console.print(f"{machine.cpu}, {machine.cpu_count} CPUs, load {os.getloadavg()[0]:.1f}")
    return int(any(allowed is not None and found > allowed for _, found, allowed in rows))


if __name__ == "__main__":
    sys.exit(main())
