"""`bench doctor`: what is installed, and which models pass the gates."""

import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from huggingface_hub import constants

from bench.adapters.fake import FakeDetector
from bench.api import checkup, installation
from bench.config import read_config


def test_versions_are_held_against_what_is_needed() -> None:
    there = {"torch": "2.15.0+cu130", "numpy": "2.0", "old": "1.9.3"}

    def installed(name: str) -> str:
        if name not in there:
            raise PackageNotFoundError(name)
        return there[name]

    lines = ["torch>=2.11", "numpy<3,>=2.0.0", "old>=1.10", "gone>=3", 'ruff>=0.15; extra == "dev"']
    found = {one.subject: one for one in installation.versions(lines, installed)}
    assert [(name, one.passed) for name, one in found.items()] == [
        ("torch", True), ("numpy", True), ("old", False), ("gone", False),
    ]  # fmt: skip
    assert "1.9.3 is older than 1.10" in found["old"].detail
    assert "not installed" in found["gone"].detail and "gone>=3" in found["gone"].detail


def test_the_project_s_own_needs_are_read_and_met() -> None:
    found = {one.subject: one.passed for one in installation.versions()}
    assert found["torch"] and found["scipy"]
    assert "pytest" not in found


def test_a_network_that_is_off_is_no_fault_and_costs_no_more_than_a_moment() -> None:
    begun = time.monotonic()
    off = installation.network(("192.0.2.1", 9), look_s=0.2)  # RFC 5737: leads nowhere
    assert time.monotonic() - begun < 1
    assert off.passed is None and "does not answer" in off.detail


def test_weights_that_are_missing_are_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for variable in ("BENCH_HOME", "TORCH_HOME", "YOLO_CONFIG_DIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    found = list(installation.weights())
    assert "weights yolov8n.pt" in [one.subject for one in found]
    assert {one.passed for one in found} == {None}


def test_each_model_is_examined_and_one_that_breaks_costs_no_other(
    fake_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_config(fake_config, overrides=["models.one.options.nonsense=1"])
    first, second = checkup.examine(config)
    assert not first.passed and "unknown option of the fake" in first.gates[0].detail
    (auto,) = checkup.examine(read_config(fake_config, overrides=["train.batch_size=auto"], models=["two"]))
    assert auto.passed, auto.gates
    assert second.passed and [gate.name for gate in second.gates] == [
        "boxes",
        "colours",
        "classes",
        "overfit",
    ]
    monkeypatch.setattr(
        FakeDetector,
        "training_inputs",
        lambda self, examples: (1 - one for one in self.inference_inputs([e.path for e in examples])),
    )
    (broken,) = checkup.examine(read_config(fake_config, models=["two"]))
    assert not broken.passed
    assert [gate.name for gate in broken.gates if not gate.passed] == ["colours"]


def test_the_command_ends_with_the_answer(
    call: Callable[..., "CompletedProcess[str]"], fake_config: Path, tmp_path: Path
) -> None:
    bench = partial(call, "doctor", "-c", str(fake_config), cwd=tmp_path)
    well = bench("one")
    assert well.returncode == 0, well.stderr
    assert "boxes" in well.stdout and "All checks passed." in well.stdout and "\ntwo" not in well.stdout
    ill = bench("--set", "models.two.options.nonsense=1")
    assert ill.returncode == 1
    assert "unknown option" in ill.stdout and "Traceback" not in ill.stderr
    assert bench("three").returncode == 2
    assert list(tmp_path.iterdir()) == []
