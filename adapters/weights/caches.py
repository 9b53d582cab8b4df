"""Folders in which published weights may lie: our own, and the caches of the frameworks."""

import json
import os
from collections.abc import Iterator
from pathlib import Path


def weights_dir() -> Path:
    """Our own folder: $BENCH_HOME/weights, or ~/.cache/bench/weights."""
    home = os.environ.get("BENCH_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".cache" / "bench") / "weights"


def torch_checkpoints() -> Path:
    """Where torch.hub and torchvision keep downloads: torch.hub.get_dir(), without the import of torch."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch") / "hub" / "checkpoints"


def hub_snapshots(repo_id: str, revision: str) -> Iterator[Path]:
    """The folder of that revision in huggingface_hub's cache, where there is one with a config.json."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo_id, "config.json", revision=revision)
    if isinstance(found, str):
        yield Path(found).parent


def ultralytics_dirs() -> Iterator[Path]:
    """The `weights_dir` of ultralytics' settings.json, where there is one."""
    config = Path(os.environ.get("YOLO_CONFIG_DIR") or Path.home() / ".config") / "Ultralytics"
    try:
        settings = json.loads((config / "settings.json").read_text(encoding="utf-8"))
        yield Path(settings["weights_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        return
