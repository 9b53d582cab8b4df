"""What does the harness cost? A yolo cell against ultralytics called directly with the same settings.

    python benchmarks/overhead.py [--variant tiny] [--pictures 640] [--epochs 20] [--repeats 1]

Both are processes of their own, timed from their start to their end, in turns, on the same pictures. The cell
builds, trains, chooses its checkpoint, predicts val and test from it, measures its latency and judges. The
direct call is what somebody would write by hand: it trains, with ultralytics' own validation after each epoch
and of the best checkpoint, and validates that on test; it gets the threads that the cell has, because
ultralytics alone would leave a core idle. Exit code 1 where the cell takes longer than 1.05 times the direct
call's wall time and 3 s.

CPU seconds stand beside wall seconds, because the latter mean little on a machine that does other things.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from bench.adapters.yolo.settings import training_args
from bench.adapters.yolo.variants import TINY
from bench.config import BenchConfig, read_config
from bench.datasets import prepare
from bench.detector import Plan
from bench.layout import Layout
from bench.provenance import provenance
from bench.runner.create import begin
from bench.runner.plan import plan_cells
from bench.store import RunFolder

DEMANDED_FACTOR = 1.05
DEMANDED_S = 3.0

DIRECT = """
import json, sys
import torch
threads = torch.get_num_threads()
from ultralytics import YOLO
settings = json.loads(open(sys.argv[1]).read())
model = YOLO(settings.pop("model"))
model.add_callback("on_train_start", lambda trainer: torch.set_num_threads(threads))
model.train(**settings)
best = YOLO(settings["save_dir"] + "/weights/best.pt")
best.add_callback("on_val_start", lambda validator: torch.set_num_threads(threads))
judged = best.val(data=settings["data"], imgsz=settings["imgsz"], split="test", plots=False,
                  device=settings["device"], save_dir=settings["save_dir"] + "/test")
print("AP", judged.box.map)
"""


@dataclass(frozen=True)
class Cost:
    """Of one process."""

    wall_s: float
    cpu_s: float
    ap: float
    """On test: by the judge for the cell, by ultralytics for the direct call."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variant", default="tiny", help="a variant, or the path of a model yaml")
    parser.add_argument("--pictures", type=int, default=640)
    parser.add_argument("--size", type=int, default=96, help="of a picture, in pixels")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=1, help="of each; medians count")
    parser.add_argument("--folder", type=Path, help="kept, where given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (asked.folder or Path(scratch)).resolve()
        config = configuration(asked, folder)
        layout = prepare(config.data, config.cache)
        cells, directs = [], []
        for turn in range(asked.repeats):
            directs.append(direct(config, layout, folder / f"direct-{turn}"))
            cells.append(cell(config, layout))
    return show(asked, cells, directs)


def configuration(asked: argparse.Namespace, folder: Path) -> BenchConfig:
    """One cell on the synthetic scenes, validated after every epoch, as ultralytics does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.yaml"
    tree = {
        "data": {"source": "synthetic", "synthetic": {"images": asked.images, "size": asked.size}},
        "models": [{"family": "yolo", "variant": asked.variant, "weights": "none"}],
        "train": {"epochs": asked.epochs, "batch_size": 16, "image_size": asked.size, "schedule": "cosine"},
        "device": "cpu",
    }
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return read_config(path)


def cell(config: BenchConfig, layout: Layout) -> Cost:
    """The cell's process, as the runner starts it."""
    run: RunFolder = begin(config, plan_cells(config), layout, command="benchmarks/overhead.py")
    folder = run.cells()[0]
    wall_s, cpu_s, _ = timed([sys.executable, "-P", "-m", "bench.cell", str(folder.root)], folder.log_path)
    record = folder.record()
    if record is None or record.test is None:
        raise SystemExit(f"the cell failed: see {folder.log_path}")
    return Cost(wall_s, cpu_s, record.test.coco.AP or 0.0)


def direct(config: BenchConfig, layout: Layout, folder: Path) -> Cost:
    """ultralytics by hand, on a copy of the data: it writes into it."""
    (planned,) = plan_cells(config)
    shutil.copytree(layout.root, folder / "data")
    text = layout.data_yaml.read_text(encoding="utf-8")
    (folder / "data.yaml").write_text(
        yaml.safe_dump({**yaml.safe_load(text), "path": str(folder / "data")}), encoding="utf-8"
    )
    recipe = planned.plan.recipe
    settings = training_args(
        recipe, planned.plan.options, epochs=recipe.epochs, seed=planned.seed, device="cpu"
    )
    settings |= {
        "model": model_word(planned.plan, folder),
        "data": str(folder / "data.yaml"),
        "save_dir": str(folder / "run"),
        "amp": False,
        "verbose": False,
    }
    (folder / "direct.json").write_text(json.dumps(settings), encoding="utf-8")
    log = folder / "log.txt"
    wall_s, cpu_s, code = timed(
        [sys.executable, "-c", DIRECT, str(folder / "direct.json")], log, quiet(folder)
    )
    printed = log.read_text(encoding="utf-8")
    if code:
        raise SystemExit(f"ultralytics failed:\n{printed}")
    return Cost(wall_s, cpu_s, float(printed.rsplit("AP ", 1)[1]))


def model_word(plan: Plan, folder: Path) -> str:
    """The model yaml that ultralytics is to build."""
    if plan.variant != "tiny":
        return plan.variant if plan.variant.endswith((".yaml", ".yml")) else f"yolov8{plan.variant}.yaml"
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(dict(TINY)), encoding="utf-8")
    return str(path)


def quiet(folder: Path) -> dict[str, str]:
    """No look-ups and no settings at home, and a font, without which it would wait for a download."""
    config = folder / "Ultralytics"
    config.mkdir()
    (config / "settings.json").write_text(json.dumps({"sync": False}), encoding="utf-8")
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    (config / "Arial.ttf").symlink_to(fonts / "DejaVuSans.ttf")
    return {"YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}


def timed(command: list[str], log: Path, more: dict[str, str] | None = None) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds and exit code of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    with log.open("wb") as file:
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **(more or {})}, check=False
        )
    wall_s = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return wall_s, cpu_s, done.returncode


def show(asked: argparse.Namespace, cells: list[Cost], directs: list[Cost]) -> int:
    machine = provenance(" ".join(sys.argv))
    console = Console(width=100)
    table = Table(
        title=f"yolo {asked.variant}, {asked.images} pictures of {asked.size} px, {asked.epochs} epochs"
    )
    table.add_column("what")
    for head in ("wall s", "CPU s", "test AP"):
        table.add_column(head, justify="right")
    for name, costs in (("ultralytics directly", directs), ("the cell", cells)):
        table.add_row(name, *(f"{value:.2f}" for value in median(costs)))
    console.print(table)
    wall_s, limit_s = median(cells)[0], DEMANDED_FACTOR * median(directs)[0] + DEMANDED_S
    allowed = f"{DEMANDED_FACTOR:g} x direct + {DEMANDED_S:g} s = {limit_s:.1f} s"
    console.print(f"the cell: {wall_s:.1f} s, allowed: {allowed}")
    versions = f"Python {machine.python}, torch {machine.versions['torch']}"
    console.print(f"{machine.cpu}, {machine.cpu_count} CPUs, {machine.memory_gib} GiB; {versions}")
    return int(wall_s > limit_s)


def median(costs: list[Cost]) -> tuple[float, float, float]:
    """Of wall seconds, CPU seconds and AP."""
    return (
        statistics.median(cost.wall_s for cost in costs),
        statistics.median(cost.cpu_s for cost in costs),
        statistics.median(cost.ap for cost in costs),
    )


if __name__ == "__main__":
    sys.exit(main())
