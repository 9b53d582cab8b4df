"""Which device a cell runs on."""

import shutil
from pathlib import Path

from bench.errors import ConfigError


def resolve(device: str) -> str:
    """'auto' -> 'cuda:0' where torch sees a GPU, else 'cpu'. Raises ConfigError for a GPU that is not there.

    torch is asked only where something hints at a GPU, so that a detector without torch starts fast.
    """
    if device == "cpu" or (device == "auto" and not _hint_of_gpu()):
        return "cpu"
    count = count_gpus()
    if device == "auto":
        return "cuda:0" if count else "cpu"
    return f"cuda:{check_gpu(device, count)}"


def count_gpus() -> int:
    """How many CUDA devices torch sees; imports torch."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def check_gpu(device: str, count: int) -> int:
    """The index in 'cuda' or 'cuda:N'. Raises ConfigError where it is not among `count` devices."""
    index = int(device.partition(":")[2] or 0)
    if index >= count:
        raise ConfigError(
            f"torch sees {count or 'no'} CUDA device{'s' * (count != 1)} here",
            record="device",
            value=device,
            mend="say device: cpu, or auto",
        )
    return index


def _hint_of_gpu() -> bool:
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() or bool(shutil.which("nvidia-smi"))
