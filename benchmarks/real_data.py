"""The runs that docs/results.md shows.

    python benchmarks/real_data.py --data DATA --out OUT            # a laptop: small models or small budgets
    python benchmarks/real_data.py --data DATA --out OUT --gpu      # all of it, standard variants

`--only NAME` runs one. DATA holds `taco`, `taco_416` and `fracture`. For every run OUT gets its report,
its results.csv and its records, few and small enough to be carried from a borrowed machine; the run folders
themselves stay below `--work`. An interrupted run is resumed.
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
FRACTURE_APART: dict[str, Any] = {
    "source": "fracture",
    "split": {"kind": "grouped", "val": 0.084, "test": 0.041, "seed": 0},
}
"""As many pictures in each split as were published, but no copies of a picture in two of them."""


def family(name: str, variant: str) -> dict[str, Any]:
    return {"name": name, "family": name, "variant": variant, "weights": "none"}


def small_detr(queries: int) -> dict[str, Any]:
    """DETR of 3+3 layers on a ResNet-18."""
    options = {
        "backbone": {"layer": "basic", "depths": [2, 2, 2, 2], "widths": [64, 128, 256, 512]},
        "width": 128,
        "heads": 8,
        "encoder_layers": 3,
        "decoder_layers": 3,
        "feedforward": 512,
        "queries": queries,
    }
    return {**family("detr", "resnet-50"), "name": f"detr-{queries}-queries", "options": options}


TINY = [family("detr", "tiny"), family("yolo", "tiny"), family("frcnn", "tiny")]
CROWDED = [{**TINY[0], "options": {"queries": 44}}, *TINY[1:]]
"""For pictures of up to 29 objects, as TACO has."""
SMALL = [family("detr", "resnet-50"), family("yolo", "n"), family("frcnn", "mobilenet_v3_large_320_fpn")]
QUERIES = [
    small_detr(4),
    family("frcnn", "tiny"),
    {**family("yolo", "n"), "name": "yolo-n"},
    small_detr(50),
    small_detr(100),
    {**family("yolo", "s"), "name": "yolo-s"},
]
LOSSES: dict[str, dict[str, Any]] = {
    "standard": {},
    "inverse": {"classification": "weighted", "class_weights": "inverse_frequency"},
    "sqrt": {"classification": "weighted", "class_weights": "inverse_sqrt"},
    "focal": {"classification": "focal"},
}


def with_losses(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every model with every loss."""
    return [
        {**model, "name": f"{model['family']}-{name}", "loss": loss}
        for model in models
        for name, loss in LOSSES.items()
    ]


STANDARD = [family("detr", "resnet-50"), family("yolo", "m"), family("frcnn", "resnet50_fpn")]

SHORT: dict[str, Any] = {"epochs": 3, "batch_size": 16, "image_size": 192}
LONG: dict[str, Any] = {
    "epochs": 30,
    "batch_size": 16,
    "image_size": 640,
    "val_every": 3,
    "amp": True,
    "workers": 4,
}

LAPTOP: dict[str, dict[str, Any]] = {
    "taco-tiny": {
        "data": TACO,
        "models": CROWDED,
        "train": {"epochs": 60, "batch_size": 8, "image_size": 320, "val_every": 5},
    },
    "fracture-tiny": {
        "data": FRACTURE,
        "models": TINY,
        "train": {"epochs": 12, "batch_size": 16, "image_size": 192, "val_every": 2},
    },
    "fracture-queries": {"data": FRACTURE, "models": QUERIES, "train": SHORT},
    "fracture-queries-apart": {"data": FRACTURE_APART, "models": QUERIES, "train": SHORT},
    "losses-drawn": {
        "data": {"source": "synthetic"},
        "models": with_losses(TINY),
        "train": {"epochs": 36, "batch_size": 16, "image_size": 96, "val_every": 4},
        "seeds": [0, 1, 2],
    },
    "losses-taco": {
        "data": TACO,
        "models": with_losses(CROWDED),
        "train": {"epochs": 24, "batch_size": 8, "image_size": 192, "val_every": 4},
        "seeds": [0, 1, 2],
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
    "fracture-queries": {"data": FRACTURE, "models": QUERIES, "train": LONG},
    "fracture-queries-apart": {"data": FRACTURE_APART, "models": QUERIES, "train": LONG},
    "losses-fracture": {
        "data": FRACTURE,
        "models": with_losses(STANDARD),
        "train": {
            "epochs": 8,
            "batch_size": 16,
            "image_size": 512,
            "val_every": 2,
            "amp": True,
            "workers": 4,
        },
        "seeds": [0, 1, 2],
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
    settings = parser.parse_args()
    chosen = GPU if settings.gpu else LAPTOP
    if settings.only is not None and settings.only not in chosen:
        parser.error(f"there are: {', '.join(chosen)}")
    work = settings.work or settings.out / "work"
    codes = [
        one(name, config, settings.data, settings.out, work)
        for name, config in chosen.items()
        if settings.only in (None, name)
    ]
    return max(codes)


def one(name: str, config: dict[str, Any], data: Path, out: Path, work: Path) -> int:
    """Start or resume the run and copy what is worth keeping; returns the exit code of bench."""
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    tree = bench_yaml(name, config, data)
    (folder / "bench.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    begun = sorted(folder.glob("runs/*/run.json"))
    settings = ["run", "-c", str(folder / "bench.yaml")]
    if begun:
        settings = ["run", "--resume", str(begun[-1].parent)]
    code = subprocess.run([sys.executable, "-m", "bench", *settings], check=False).returncode
    for run in sorted(folder.glob("runs/*/run.json"))[-1:]:
        keep(run.parent, out / name)
    return code


def bench_yaml(name: str, config: dict[str, Any], data: Path) -> dict[str, Any]:
    """The run as a bench.yaml: with its name, a seed, and where its dataset lies below `data`."""
    tree = {"name": name, "seeds": [0], **config}
    if config["data"]["source"] != "synthetic":
        root = data.resolve() / ("fracture" if config["data"]["source"] == "fracture" else "")
        tree["data"] = {**config["data"], "path": str(root)}
    return tree


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
