"""Convert 100,000 picture records with 800,000 boxes to both layouts: under 30 s, under 1.5 GiB.

    python benchmarks/convert.py [--pictures N] [--boxes M] [--folder FOLDER]

Twice, each in a process of its own whose peak memory is read: from records in memory, and from a COCO json.
The pictures are flagged as known good, so none is decoded: what is measured is reading, repairing, splitting,
and the writing of links, COCO json, YOLO txt and manifest. Exit code 1 where a limit is missed.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.boxes import xyxy_to_xywh
from bench.data_config import DataConfig
from bench.datasets import convert
from bench.datasets.dataset import NO_SPLIT, BoxTable, Dataset, Images, Source
from bench.datasets.sources import coco

LIMIT_S = 30.0
LIMIT_GIB = 1.5
CLASSES = 80
"""As COCO has."""

SIZE_WH = (640, 480)
FOLDERS = 100


def records(images: int, boxes: int, folder: Path) -> Source:
    """So many records in memory: classes with a long tail, boxes of all sizes."""
    dice = np.random.default_rng(0)
    share = 1 / np.arange(1, CLASSES + 1)
    side = np.exp(dice.uniform(np.log(8), np.log(400), (boxes, 2)))
    start = dice.uniform(0, 1, (boxes, 2)) * (np.array(SIZE_WH) - side)
    names = [f"batch_{row % FOLDERS:02d}/{row:06d}.jpg" for row in range(images)]
    images = Images.of(
        names,
        [f"{folder}/{name}" for name in names],
        np.tile(SIZE_WH, (images, 1)),
        np.full(images, NO_SPLIT),
    )
    table = BoxTable.of(
        dice.integers(0, images, boxes),
        dice.choice(CLASSES, boxes, p=share / share.sum()),
        np.concatenate([start, start + side], axis=1),
    )
    classes = tuple(f"class {index:02d}" for index in range(CLASSES))
    metadata = {"format": "coco", "path": str(folder)}
    return Source(dataset=Dataset(classes, images, table), known_good=True, metadata=metadata)


def write_source(source: Source, folder: Path) -> None:
    """The records as a COCO json over empty files."""
    images, boxes = source.dataset.images, source.dataset.boxes
    for number in range(FOLDERS):
        (folder / f"batch_{number:02d}").mkdir(parents=True)
    for path in images.paths.tolist():
        Path(path).touch()
    tree = {
        "images": [
            {"id": row, "file_name": name, "width": SIZE_WH[0], "height": SIZE_WH[1]}
            for row, name in enumerate(images.names.tolist())
        ],
        "categories": [{"id": row + 1, "name": name} for row, name in enumerate(source.dataset.classes)],
        "annotations": [
            {"id": row, "image_id": image, "category_id": label + 1, "bbox": bbox, "iscrowd": 0}
            for row, (image, label, bbox) in enumerate(
                zip(
                    boxes.image.tolist(),
                    boxes.label.tolist(),
                    xyxy_to_xywh(boxes.xyxy).round(2).tolist(),
                    strict=True,
                )
            )
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(tree), encoding="utf-8")


def measure(way: str, images: int, boxes: int, folder: Path) -> dict[str, float]:
    """One conversion in this process, and a second call that finds it done."""
    config = DataConfig(source="coco", path=folder / "source")
    source = records(images, boxes, folder / "source") if way == "records" else None

    def once() -> None:
        given = source or replace(coco.read(config, folder), known_good=True)
        convert(given, config, folder / way)

    begun = time.perf_counter()
    once()
    first = time.perf_counter()
    once()
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": first - begun,
        "again_s": time.perf_counter() - first,
        "peak_gib": peak_kib / 2**20,
    }


def main() -> int:
    settings = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    settings.add_argument("--pictures", type=int, default=100_000)
    settings.add_argument("--boxes", type=int, default=800_000)
    settings.add_argument(
        "--folder", type=Path, help="where to write; default: a temporary one, taken away again"
    )
    settings.add_argument("--way", choices=("records", "json"), help=argparse.SUPPRESS)
    given = settings.parse_args()
    if given.way:
        print(json.dumps(measure(given.way, given.pictures, given.boxes, given.folder)))
        return 0
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="bench-convert-") as name:
        folder = Path(name)
        write_source(records(given.pictures, given.boxes, folder / "source"), folder / "source")
        print(f"{given.pictures:,} pictures, {given.boxes:,} boxes, to COCO json and YOLO txt")
        print(f"{'from':<12}{'seconds':>10}{'peak GiB':>10}{'second call, s':>16}")
        missed = False
        for way in ("records", "json"):
            command = [sys.executable, __file__, "--way", way, "--folder", name]
            command += ["--pictures", str(given.pictures), "--boxes", str(given.boxes)]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found = json.loads(answer)
            print(f"{way:<12}{found['seconds']:>10.1f}{found['peak_gib']:>10.2f}{found['again_s']:>16.1f}")
            missed |= found["seconds"] > LIMIT_S or found["peak_gib"] > LIMIT_GIB
        print(f"{'limit':<12}{LIMIT_S:>10.1f}{LIMIT_GIB:>10.2f}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
