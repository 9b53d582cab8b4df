"""What ran, on what."""

import platform
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from bench import provenance as module
from bench.provenance import provenance


def test_versions_machine_and_command_are_told() -> None:
    told = provenance("bench run --seeds 0,1")
    assert told.command == "bench run --seeds 0,1"
    assert told.python == platform.python_version()
    assert told.bench == version("bench-detectors")
    assert told.versions["numpy"] == version("numpy")
    assert {"torch", "scipy", "pycocotools"} <= set(told.versions)
    assert told.cpu and told.cpu_count >= 1 and told.memory_gib > 0.1
    started = datetime.fromisoformat(told.started)
    assert started.tzinfo == UTC
    assert abs(datetime.now(UTC) - started) < timedelta(minutes=1)


def test_what_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DISTRIBUTIONS", ("numpy", "no-such-distribution"))
    assert list(provenance("").versions) == ["numpy"]


def test_no_framework_is_imported_for_it() -> None:
    program = (
        "import sys; from bench.provenance import provenance; provenance('');"
        "print({'torch', 'ultralytics', 'transformers', 'scipy', 'numpy'} & {*sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nmodel name\t: Some CPU @ 2.4GHz\nmodel name\t: Other\n", "Some CPU @ 2.4GHz"),
        ("x: 1\n", None),
    ],
)
def test_the_name_of_the_cpu(tmp_path: Path, text: str, expected: str | None) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    fallback = platform.processor() or platform.machine()
    assert module._cpu_name(path) == (expected or fallback)
    assert module._cpu_name(tmp_path / "missing") == fallback


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("NVIDIA H200\n", "NVIDIA H200"),
        ("NVIDIA A100\nNVIDIA A100\nNVIDIA T4\n", "2 x NVIDIA A100, NVIDIA T4"),
        ("\n", None),
    ],
)
def test_the_names_of_the_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, expected: str | None
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}END\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert module._gpu_name() == expected


@pytest.mark.parametrize("script", ["exit 9", "sleep 5"])
def test_a_driver_that_fails_or_hangs_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\n{script}\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(module, "_NVIDIA_SMI_TIMEOUT_S", 0.2)
    assert module._gpu_name() is None


def test_no_driver_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module._gpu_name() is None
