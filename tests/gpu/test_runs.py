"""Runs of the tiny models on a GPU; the same tests on the CPU, with fewer models, show that they work."""

import math
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.records import CellRecord
from bench.store import RunFolder

FAMILIES = ("detr", "yolo", "frcnn")
DEVICES = [pytest.param("cpu", marks=pytest.mark.slow), pytest.param("cuda:0", marks=pytest.mark.gpu)]


@cache
def cuda_devices() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def need(device: str) -> None:
    """Skip the test where `device` names a GPU that this machine lacks."""
    wanted = len(device.split(",")) if device.startswith("cuda") else 0
    if wanted > cuda_devices():
        pytest.skip(f"needs {wanted} CUDA device{'s' * (wanted > 1)}, torch sees {cuda_devices()}")


def model(family: str, amp: bool | str) -> dict[str, Any]:
    return {"family": family, "variant": "tiny", "name": f"{family}-{amp}".lower(), "train": {"amp": amp}}


@dataclass(frozen=True)
class Cell:
    record: CellRecord
    train_losses: list[dict[str, float]]
    """By epoch."""


def run(folder: Path, device: str, models: list[dict[str, Any]], **train: Any) -> dict[str, Cell]:
    """`bench run` on 40 drawn scenes of 64 px; the cells by model. Fails with the command's output."""
    config = {
        "name": "gpu",
        "data": {"source": "synthetic", "synthetic": {"images": 40, "size": 64}},
        "models": models,
        "seeds": [0],
        "device": device,
        "train": {"epochs": 2, "batch_size": 8, "image_size": 64, "val_every": 2, **train},
        "gates": False,
        "runs": str(folder / "runs"),
        "cache": str(folder / "cache"),
    }
    path = folder / "bench.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "bench", "run", "-c", str(path)], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = (folder / "runs").glob("*/run.json")
    cells = {}
    for cell in RunFolder(found.parent).cells():
        record = cell.record()
        assert record is not None
        losses = [
            {name: value for name, value in row.items() if name.startswith("train/")}
            for row in cell.history()
        ]
        cells[record.model] = Cell(record, losses)
    return cells


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    need(name)
    return name


@pytest.fixture(scope="module")
def cells(device: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cell]:
    """Models in float32 and in mixed precision."""
    families = FAMILIES if device.startswith("cuda") else ("detr",)
    models = [model(family, amp) for family in families for amp in (False, True)]
    return run(tmp_path_factory.mktemp("run"), device, models)


def test_a_run_ends_with_judged_cells_on_the_device(device: str, cells: dict[str, Cell]) -> None:
    for name, cell in cells.items():
        record = cell.record
        assert record.status == "done", (name, record.failure)
        assert record.efficiency is not None and record.ranked is not None
        assert record.efficiency.device == device
        assert record.efficiency.latency_ms > 0 and record.efficiency.images_per_s > 0
        assert record.provenance.gpu is not None or device == "cpu"


def test_the_record_has_the_peak_memory_of_a_gpu(device: str, cells: dict[str, Cell]) -> None:
    for name, cell in cells.items():
        assert cell.record.efficiency is not None
        peak = cell.record.efficiency.peak_gpu_memory_mib
        if device == "cpu":
            assert peak is None, name
        else:
            assert peak is not None and cell.record.description is not None
            weights_mib = 4 * cell.record.description.parameters / (1 << 20)
            assert weights_mib < peak < 8192, name  # far more than a tiny model needs on 64 px


def test_mixed_precision_trains_close_to_float32(device: str, cells: dict[str, Cell]) -> None:
    for family in FAMILIES:
        if f"{family}-true" not in cells:
            continue
        full, mixed = cells[f"{family}-false"].train_losses, cells[f"{family}-true"].train_losses
        assert len(mixed) == len(full) == 2
        for epoch in (*full, *mixed):
            assert epoch and all(math.isfinite(value) for value in epoch.values()), (family, epoch)
        assert mixed != full, f"{family} ignored amp"
        for name, value in full[0].items():
            assert mixed[0][name] == pytest.approx(value, rel=0.25, abs=0.05), (family, name)


@pytest.mark.gpu
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_each_number_format_that_the_gpu_has_trains(family: str, amp: str, tmp_path: Path) -> None:
    need("cuda:0")
    import torch

    if amp == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        pytest.skip("this GPU does not compute in bfloat16")
    (cell,) = run(tmp_path, "cuda:0", [model(family, amp)]).values()
    assert cell.record.status == "done", cell.record.failure
    assert all(math.isfinite(value) for epoch in cell.train_losses for value in epoch.values())


def test_two_devices_train_one_model_as_one_device_does(
    device: str, cells: dict[str, Cell], tmp_path: Path
) -> None:
    """Two GPUs, never one twice: NCCL refuses two ranks on one device, and the config does so before it."""
    devices = "cuda:0,1" if device.startswith("cuda") else "cpu:2"
    need(devices)
    names = [name for name in cells if name.endswith("-false")]
    shared = run(tmp_path, devices, [model(name.removesuffix("-false"), False) for name in names])
    for name in names:
        alone, both = cells[name], shared[name]
        assert both.record.status == "done", (name, both.record.failure)
        assert alone.record.training is not None and both.record.training is not None
        assert both.record.training.optimizer_steps == alone.record.training.optimizer_steps
        # Batch norm takes its statistics from a rank's own share: close, not equal.
        for loss, value in alone.train_losses[0].items():
            assert both.train_losses[0][loss] == pytest.approx(value, rel=0.2, abs=0.05), (name, loss)


@pytest.mark.gpu
def test_batch_size_auto_finds_a_batch_on_the_gpu(tmp_path: Path) -> None:
    need("cuda:0")
    (cell,) = run(tmp_path, "cuda:0", [model("detr", False)], batch_size="auto").values()
    assert cell.record.status == "done", cell.record.failure
    assert isinstance(cell.record.recipe["batch_size"], int)
    (entry,) = (entry for entry in cell.record.ledger if entry.setting == "batch_size")
    assert "cuda:0" in entry.why
