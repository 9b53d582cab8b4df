"""Which devices a cell runs on. The first one also judges, predicts and is timed.

auto        the first GPU where torch sees one, else the CPU
cpu, cuda, cuda:1
cuda:0,1    two GPUs that train one model together, half of each batch on either
cpu:2       two processes on the CPU that do so: for trying it out
"""

import shutil
from pathlib import Path

from bench.errors import ConfigError, RecipeError
from bench.recipe import Recipe


def resolve(device: str) -> str:
    """The first of `resolve_all`."""
    return resolve_all(device)[0]


def resolve_all(device: str) -> tuple[str, ...]:
    """'auto' -> ('cuda:0',) where torch sees a GPU, else ('cpu',); 'cpu:2' -> ('cpu', 'cpu').

    Raises ConfigError for a GPU that is not there. torch is asked only where something hints at a GPU, so
    that a detector without torch starts fast.
    """
    if device.startswith("cpu") or (device == "auto" and not hints_of_gpu()):
        return ("cpu",) * how_many(device)
    count = count_gpus()
    if device == "auto":
        return ("cuda:0",) if count else ("cpu",)
    return tuple(f"cuda:{index}" for index in check_gpus(device, count))


def how_many(device: str) -> int:
    """Devices that the word names."""
    kind, _, which = device.partition(":")
    return int(which or 1) if kind == "cpu" else len(which.split(","))


def count_gpus() -> int:
    """How many CUDA devices torch sees; imports torch."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def check_gpus(device: str, count: int) -> list[int]:
    """The indices in 'cuda', 'cuda:N' or 'cuda:N,M'. Raises ConfigError where one is not among `count`."""
    indices = [int(index or 0) for index in device.partition(":")[2].split(",")]
    if max(indices) >= count:
        raise ConfigError(
            f"torch sees {count or 'no'} CUDA device{'s' * (count != 1)} here",
            record="device",
            value=device,
            hint="say device: cpu, or auto",
        )
    return indices


def check_shares(recipe: Recipe, devices: int) -> None:
    """Raises RecipeError for a batch that so many devices can't share evenly."""
    size = recipe.batch_size
    if devices == 1:
        return
    if size == "auto":
        raise RecipeError(
            f"is found for one device, not for {devices}",
            record="train.batch_size",
            value=size,
            hint="say a number",
        )
    if size % devices:
        raise RecipeError(
            f"{devices} devices can't share a batch evenly",
            record="train.batch_size",
            value=size,
            hint=f"say {max(1, size // devices) * devices}: the pictures of all devices together",
        )


def hints_of_gpu() -> bool:
    """Whether it is worth asking torch."""
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() or bool(shutil.which("nvidia-smi"))
