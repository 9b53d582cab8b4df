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
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda:0" if count else "cpu"
    index = int(device.partition(":")[2] or 0)
    if index >= count:
        raise ConfigError(
            f"torch sees {count} CUDA devices here",
            record="device",
            value=device,
            mend="say device: cpu, or auto",
        )
    return f"cuda:{index}"


def _hint_of_gpu() -> bool:
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() or bool(shutil.which("nvidia-smi"))
