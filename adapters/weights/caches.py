"""Folders in which published weights may lie: our own, and those of the frameworks."""

import json
import os
from collections.abc import Iterator
from pathlib import Path


def weights_dir() -> Path:
    """Our own folder: $BENCH_HOME/weights, or ~/.cache/bench/weights."""
    home = os.environ.get("BENCH_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".cache" / "bench") / "weights"


def torch_checkpoints() -> Path:
    """Where torch.hub and torchvision keep what they fetch."""
    torch_home = os.environ.get("TORCH_HOME")
    return (Path(torch_home) if torch_home else _cache_home() / "torch") / "hub" / "checkpoints"


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def hub_snapshots(name: str) -> Iterator[Path]:
    """huggingface_hub's cache: models--ORG--MODEL/refs/REVISION names the folder below snapshots/."""
    home = Path(os.environ.get("HF_HOME") or _cache_home() / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    model, _, revision = name.partition("@")
    root = hub / f"models--{model.replace('/', '--')}"
    ref = root / "refs" / (revision or "main")
    if ref.is_file():
        yield root / "snapshots" / ref.read_text(encoding="utf-8").strip()
    elif revision:
        yield root / "snapshots" / revision


def ultralytics_dirs() -> Iterator[Path]:
    """The `weights_dir` of ultralytics' settings.json, where there is one."""
    config = Path(os.environ.get("YOLO_CONFIG_DIR") or Path.home() / ".config") / "Ultralytics"
    try:
        settings = json.loads((config / "settings.json").read_text(encoding="utf-8"))
        yield Path(settings["weights_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        return
