"""A whole run of the stand-in family on a small COCO dataset, copied for each test."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import evaluation, files
from bench.cell.work import work
from bench.config import read_config
from bench.datasets.prepare import prepare
from bench.reports.comparison import compare
from bench.reports.page import render
from bench.runner.create import create_run
from bench.runner.plan import plan_cells
from bench.store import RunFolder


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """source/, cache/ and run/, without the figure files."""
    root = tmp_path_factory.mktemp("whole")
    chance = np.random.default_rng(0)
    tree: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    (root / "source").mkdir()
    for number in range(1, 31):
        name = f"{number:02d}.png"
        Image.fromarray(chance.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(root / "source" / name)
        tree["images"].append({"id": number, "file_name": name, "width": 64, "height": 48})
        for _ in range(2):
            box = [int(value) for value in (*chance.integers(0, 20, 2), *chance.integers(8, 28, 2))]
            tree["annotations"].append(
                {
                    "id": len(tree["annotations"]) + 1,
                    "image_id": number,
                    "category_id": int(chance.integers(1, 3)),
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    (root / "source/instances.json").write_text(json.dumps(tree))
    config = read_config(
        {
            "name": "whole",
            "data": {"source": "coco", "path": str(root / "source"), "annotations": "instances.json"},
            "models": [{"family": "fake", "name": "one"}],
            "train": {"epochs": 2, "batch_size": 8},
            "runs": str(root),
            "cache": str(root / "cache"),
        }
    )
    layout = prepare(config.data, config.cache)
    run = create_run(config, plan_cells(config), layout, command="bench run", into=root / "run")
    for cell in run.cells():
        assert work(cell).status == "done"
    write_outputs(run)
    return root


def write_outputs(run: RunFolder) -> None:
    evaluation.write_csv(run.results_path, run.records())
    evaluation.write_classes_csv(run.classes_path, run.records())
    files.write_text(run.report_path, render(compare([run])))


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> RunFolder:
    """A copy whose source and layout are copies too."""
    shutil.copytree(whole, tmp_path / "whole", symlinks=True)
    for path in (tmp_path / "whole/run").rglob("*"):
        if path.suffix in (".json", ".yaml"):
            path.write_text(path.read_text().replace(str(whole), str(tmp_path / "whole")))
    return RunFolder(tmp_path / "whole/run")


@pytest.fixture
def cell(run: RunFolder) -> Any:
    return run.cells()[0]


@pytest.fixture
def rewrite() -> Any:
    """Writes what follows from the records anew."""
    return write_outputs
