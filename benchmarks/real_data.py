"""The runs on real data that docs/results.md shows.

    python benchmarks/real_data.py --data DATA --out OUT            # a laptop: small models or small budgets
    python benchmarks/real_data.py --data DATA --out OUT --gpu      # all of it, standard variants

`--only NAME` runs one. DATA holds `taco`, `taco_416` and `fracture`. For every run OUT gets its report,
its results.csv and its records, few and small enough to be carried from a borrowed machine; the run folders
themselves stay below `--work`. A run that stands there already is taken up where it was.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

TACO: dict[str, Any] = {
    "source": "taco",
    "annotations": ["taco/annotations_subset.json", "taco_416/annotations.json"],
    "classes": "taco-7",
    "split": {"kind": "random", "val": 0.15, "test": 0.15, "seed": 0},
}
FRACTURE: dict[str, Any] = {"source": "fracture", "split": {"kind": "published"}}


def family(name: str, variant: str) -> dict[str, Any]:
    return {"family": name, "variant": variant, "weights": "none"}


TINY = [family("detr", "tiny"), family("yolo", "tiny"), family("frcnn", "tiny")]
SMALL = [family("detr", "resnet-50"), family("yolo", "n"), family("frcnn", "mobilenet_v3_large_320_fpn")]
STANDARD = [family("detr", "resnet-50"), family("yolo", "m"), family("frcnn", "resnet50_fpn")]

LAPTOP: dict[str, dict[str, Any]] = {
    "taco-tiny": {
        "data": TACO,
        "models": TINY,
        "train": {"epochs": 60, "batch_size": 8, "image_size": 320, "val_every": 5},
    },
    "fracture-tiny": {
        "data": FRACTURE,
        "models": TINY,
        "train": {"epochs": 12, "batch_size": 16, "image_size": 192, "val_every": 2},
    },
    "taco-standard": {
        "data": TACO,
        "models": SMALL,
        "train": {"epochs": 8, "batch_size": 4, "image_size": 320, "val_every": 4},
    },
}
GPU: dict[str, dict[str, Any]] = {
    "taco": {
        "data": TACO,
        "models": STANDARD,
        "train": {
            "epochs": 60,
            "batch_size": 8,
            "image_size": 800,
            "val_every": 5,
            "amp": True,
            "workers": 4,
        },
    },
    "fracture": {
        "data": FRACTURE,
        "models": STANDARD,
        "train": {
            "epochs": 8,
            "batch_size": 16,
            "image_size": 512,
            "val_every": 2,
            "amp": True,
            "workers": 4,
        },
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="run folders and written data; default: OUT/work")
    parser.add_argument("--gpu", action="store_true", help="standard variants on all of the data")
    parser.add_argument("--only", help="one run by its name")
    words = parser.parse_args()
    chosen = GPU if words.gpu else LAPTOP
    if words.only is not None and words.only not in chosen:
        parser.error(f"there are: {', '.join(chosen)}")
    work = words.work or words.out / "work"
    codes = [
        one(name, config, words.data, words.out, work)
        for name, config in chosen.items()
        if words.only in (None, name)
    ]
    return max(codes)


def one(name: str, config: dict[str, Any], data: Path, out: Path, work: Path) -> int:
    """Run, or take up, and gather what is worth keeping; the exit code of bench."""
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    root = data.resolve() / ("fracture" if config["data"]["source"] == "fracture" else "")
    tree = {"name": name, **config, "data": {**config["data"], "path": str(root)}, "seeds": [0]}
    (folder / "bench.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    begun = sorted(folder.glob("runs/*/run.json"))
    words = ["run", "-c", str(folder / "bench.yaml")]
    if begun:
        words = ["run", "--resume", str(begun[-1].parent)]
    code = subprocess.run([sys.executable, "-m", "bench", *words], check=False).returncode
    for run in sorted(folder.glob("runs/*/run.json"))[-1:]:
        keep(run.parent, out / name)
    return code


def keep(run: Path, target: Path) -> None:
    """Copy report, tables and records of a run, flat."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("report.html", "results.csv", "classes.csv", "manifest.json", "bench.yaml"):
        if (run / name).is_file():
            shutil.copyfile(run / name, target / name)
    for record in run.glob("cells/*/record.json"):
        shutil.copyfile(record, target / f"{record.parent.name}.json")


if __name__ == "__main__":
    sys.exit(main())
