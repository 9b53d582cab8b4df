"""Versions and machine of a run, read without importing a framework."""

import os
import platform
import subprocess
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from bench.records import Provenance

DISTRIBUTIONS = (
    "torch",
    "torchvision",
    "ultralytics",
    "ultralytics-opencv-headless",
    "transformers",
    "timm",
    "torchmetrics",
    "pycocotools",
    "numpy",
    "scipy",
    "pillow",
    "optuna",
)
"""Packages that figures may depend on; those that are not installed are left out."""

_NVIDIA_SMI = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
_NVIDIA_SMI_TIMEOUT_S = 5.0


def provenance(command: str) -> Provenance:
    """The provenance of a run that starts now with `command`."""
    return Provenance(
        bench=_version("bench-detectors") or "not installed",
        python=platform.python_version(),
        platform=platform.platform(),
        versions={name: found for name in DISTRIBUTIONS if (found := _version(name))},
        cpu=_cpu_name(Path("/proc/cpuinfo")),
        cpu_count=cpu_count(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        gpu=_gpu_name(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
    )


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _cpu_name(cpuinfo: Path) -> str:
    """The CPU's name as the kernel gives it, or else the platform's."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def cpu_count() -> int:
    """The number of CPUs that this process may use, which a container or a scheduler may limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpu_name() -> str | None:
    """Names of the NVIDIA GPUs, '2 x NVIDIA H200'; None if the driver reports none."""
    try:
        answer = subprocess.run(
            _NVIDIA_SMI, capture_output=True, text=True, timeout=_NVIDIA_SMI_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    names = Counter(line.strip() for line in answer.stdout.splitlines() if line.strip())
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in names.items()) or None
