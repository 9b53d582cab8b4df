"""Same seed, same machine: the same history.csv to the last bit, whatever is random in a training."""

from pathlib import Path
from typing import Any

import pytest

from bench import registry
from bench.cell.monitor import TrainingMonitor
from bench.detector import FitContext
from bench.evaluation import Judge
from bench.layout import Layout
from bench.recipe import Recipe
from bench.store import CellFolder

pytestmark = pytest.mark.slow

NOT_REPEATED = {"duration_s", "images_per_s", "peak_memory_mib"}


def history(
    layout: Layout, root: Path, family: str, options: dict[str, Any], settings: dict[str, Any], seed: int = 3
) -> list[dict[str, float]]:
    """Rows of the history.csv of a cell's training, without what it cost."""
    folder = CellFolder(root)
    folder.workdir.mkdir(parents=True)
    found = registry.family(family)
    recipe = Recipe.model_validate({"epochs": 3, "batch_size": 4, "image_size": 64, **settings})
    plan = found.plan(variant="tiny", weights="none", options=options, recipe=recipe)
    context = FitContext(
        workdir=folder.workdir,
        seed=seed,
        device="cpu",
        score_val=Judge.of_layout(layout).score,
        on_epoch=TrainingMonitor(folder, patience=0).epoch,
    )
    found.build(plan, classes=layout.classes, seed=seed, device="cpu").fit(layout, plan.recipe, context)
    return [{key: value for key, value in row.items() if key not in NOT_REPEATED} for row in folder.history()]


@pytest.mark.parametrize(
    ("family", "options", "settings"),
    [
        ("detr", {"augment": "paper"}, {"ema": 0.9, "accumulate": 2}),
        ("frcnn", {}, {"multi_scale": 0.3, "val_every": {"steps": 4}}),
        ("yolo", {"mixup": 0.5}, {"accumulate": 2, "multi_scale": 0.5}),
    ],
)
def test_the_same_seed_writes_the_same_history(
    yolo_scenes: Layout, tmp_path: Path, family: str, options: dict[str, Any], settings: dict[str, Any]
) -> None:
    one, again = (history(yolo_scenes, tmp_path / name, family, options, settings) for name in "ab")
    assert len(one) >= 3 and any(key.startswith("val/") for key in one[-1])
    assert again == one
    other = history(yolo_scenes, tmp_path / "c", family, options, settings, seed=4)
    assert other != one
