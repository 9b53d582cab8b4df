"""The embedded default: three small models under the same words, planned without a framework."""

import subprocess
import sys

from bench import registry
from bench.config import read_config


def test_every_model_of_the_default_is_planned_with_the_same_words() -> None:
    config = read_config(None)
    plans = [
        registry.family(model.family).plan(
            variant=model.variant,
            weights=model.weights,
            options=model.options,
            recipe=model.recipe(config.train, config.loss),
        )
        for model in config.models
    ]
    assert [plan.family for plan in plans] == ["detr", "yolo", "frcnn"]
    assert {plan.weights for plan in plans} == {"none"}
    same = ("epochs", "batch_size", "image_size", "val_every", "flip", "multi_scale", "patience")
    assert len({tuple(getattr(plan.recipe, setting) for setting in same) for plan in plans}) == 1


def test_planning_imports_no_framework() -> None:
    code = (
        "import sys\n"
        "from bench.config import read_config\n"
        "from bench.runner.plan import plan_cells\n"
        "plan_cells(read_config(None))\n"
        "print(sorted({'torch', 'torchvision', 'transformers', 'ultralytics'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
