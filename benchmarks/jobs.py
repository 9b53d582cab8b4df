"""How much sooner does a run end with several trainings at a time, and do its figures stay the same?

    python benchmarks/jobs.py [--jobs 2] [--models detr,yolo,frcnn] [--seeds 0] [--epochs N]

Runs the embedded default into a temporary folder, with `jobs: 1` and with `jobs: N`, and prints the wall time
of both and their ratio. A third run, one training at a time with the threads that each had of N, must
have the histories of the second, to the last bit but for times and memory; exit code 1 where it has not.
On a machine that does something else at the same time the ratio means nothing.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import bench
from bench.devices import Devices
from bench.jobs import slots

MEASURED = ("duration_s", "images_per_s", "peak_memory_mib")
"""Columns of a history that no two runs share."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--models", default="detr,yolo,frcnn")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--epochs", type=int)
    asked = parser.parse_args()
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    models = [f"{name}:tiny" if ":" not in name else name for name in asked.models.split(",")]
    (place, *_) = slots(Devices.parse("cpu"), asked.jobs, len(models) * len(seeds))
    with tempfile.TemporaryDirectory() as folder:
        bench.convert(overrides={"cache": str(Path(folder) / "cache")}, progress=False)
        alone_s, _ = timed(Path(folder), models, seeds, 1, asked.epochs)
        together_s, together = timed(Path(folder), models, seeds, asked.jobs, asked.epochs)
        os.environ.update(place.environment)
        _, again = timed(Path(folder), models, seeds, 1, asked.epochs)
        same = together.history.drop(columns=list(MEASURED)).equals(
            again.history.drop(columns=list(MEASURED))
        )
    table = Table("cells", "jobs", "threads each", "wall s", "ratio")
    cells = str(len(models) * len(seeds))
    table.add_row(cells, "1", "all", f"{alone_s:.1f}", "1")
    table.add_row(
        cells, str(asked.jobs), str(place.threads), f"{together_s:.1f}", f"{together_s / alone_s:.2f}"
    )
    Console().print(table)
    print(f"histories with {place.threads} threads, alone and together: {'equal' if same else 'DIFFERENT'}")
    return 0 if same else 1


def timed(
    folder: Path, models: list[str], seeds: list[int], jobs: int, epochs: int | None
) -> tuple[float, bench.Run]:
    """Wall seconds, and the run. The data is written before the first is timed."""
    overrides = {"runs": str(folder / "runs"), "cache": str(folder / "cache")}
    if epochs is not None:
        overrides["train.epochs"] = str(epochs)
    begun = time.perf_counter()
    run = bench.run(models=models, seeds=seeds, device="cpu", jobs=jobs, overrides=overrides, progress=False)
    return time.perf_counter() - begun, run


if __name__ == "__main__":
    sys.exit(main())
