"""benchmarks/real_data.py: each run is one that `bench run` accepts; its GPU runs train on a GPU."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from bench.config import read_config
from bench.runner.plan import plan_model

ROOT = Path(__file__).resolve().parents[2]


def real_data_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real_data", ROOT / "benchmarks" / "real_data.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = real_data_script()
RUNS: dict[str, dict[str, Any]] = {
    **{f"laptop-{name}": config for name, config in SCRIPT.LAPTOP.items()},
    **{f"gpu-{name}": config for name, config in SCRIPT.GPU.items()},
}


@pytest.mark.parametrize("name", RUNS)
def test_every_run_is_a_valid_config_whose_models_can_be_planned(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(yaml.safe_dump(SCRIPT.bench_yaml(name, RUNS[name], tmp_path)), encoding="utf-8")
    config = read_config(path)
    assert len({model.name for model in config.models}) == len(config.models) > 1
    for model in config.models:
        plan = plan_model(model, config)
        assert plan.weights == "none" and plan.recipe.trains


@pytest.mark.gpu
@pytest.mark.parametrize("name", SCRIPT.GPU)
def test_a_gpu_run_trains_its_models_on_drawn_scenes(name: str, tmp_path: Path) -> None:
    """One epoch of every model at the run's own image size and batch, by the script itself."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    config = SCRIPT.GPU[name]
    assert SCRIPT.one(name, shortened(config), tmp_path, tmp_path / "out", tmp_path / "work") == 0
    records = list((tmp_path / "out" / name).glob("*-seed0.json"))
    assert len(records) == len(config["models"])


def shortened(config: dict[str, Any]) -> dict[str, Any]:
    """The run on a few drawn scenes, for one epoch, without gates."""
    train = {**config["train"], "epochs": 1, "val_every": 1}
    scenes = {"source": "synthetic", "synthetic": {"images": 60, "size": 128}}
    return {**config, "data": scenes, "train": train, "seeds": [0], "gates": False}


@pytest.mark.slow
def test_the_script_keeps_report_tables_and_records(tmp_path: Path) -> None:
    """The same call with models that train on a CPU in seconds."""
    config = shortened({**SCRIPT.LAPTOP["fracture-tiny"], "models": [{"family": "fake", "name": "one"}]})
    config["train"] = {"epochs": 1, "batch_size": 8}
    assert SCRIPT.one("dry", config, tmp_path, tmp_path / "out", tmp_path / "work") == 0
    kept = {path.name for path in (tmp_path / "out" / "dry").iterdir()}
    assert kept == {
        "report.html",
        "results.csv",
        "classes.csv",
        "manifest.json",
        "bench.yaml",
        "one-seed0.json",
    }
