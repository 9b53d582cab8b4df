"""Memory: how much is free, whether an error means that there is too little, and advice for that case."""

from pathlib import Path

import psutil

from bench.devices import on_gpu
from bench.errors import RunError
from bench.recipe import Recipe


class OutOfMemoryError(RunError):
    """A measurement shows that there is too little memory."""


_TORCH = "OutOfMemoryError"
"""The name of torch's error class for GPUs, so that torch need not be imported."""

_MESSAGES = (
    "out of memory",  # CUDA's driver
    "can't allocate memory",  # torch on a CPU: "DefaultCPUAllocator: can't allocate memory: you tried ..."
    "_STATUS_ALLOC_FAILED",  # cuBLAS, cuDNN
)

_CGROUP = Path("/sys/fs/cgroup")
MIB = 1 << 20


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that there was not enough memory, on a CPU or a GPU."""
    if isinstance(error, MemoryError | OutOfMemoryError) or type(error).__name__ == _TORCH:
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _MESSAGES)


def free_mib(device: str) -> float:
    """What a new process could take on 'cpu' or 'cuda:N'; a container's own limit counts."""
    if on_gpu(device):
        import torch

        return float(torch.cuda.mem_get_info(device)[0]) / MIB
    free = float(psutil.virtual_memory().available)
    left = _left_in_container(_CGROUP)
    return (free if left is None else min(free, left)) / MIB


def reason(error: BaseException, recipe: Recipe, device: str, devices: int = 1) -> str:
    """What was requested, how much memory is free while the failed attempt still holds its own, and a hint.

    `device` is the one without enough memory, of `devices` that share each batch.
    """
    lines = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    try:
        free = f"{free_mib(device):,.0f} MiB were left"
    except RuntimeError:  # a GPU that no longer answers
        free = "free memory unknown"
    change = hint(recipe, device, devices)
    return f"out of memory on {device} with {asked(recipe)}; {free} ({what})\n  Hint: {change}"


def asked(recipe: Recipe) -> str:
    """The settings that decide how much memory is needed."""
    return f"batch_size {recipe.batch_size}, image_size {recipe.image_size}, amp {str(recipe.amp).lower()}"


def hint(recipe: Recipe, device: str, devices: int = 1) -> str:
    """Settings that need less memory, beginning with those that leave the training unchanged."""
    ways = []
    batch = recipe.batch_size
    if isinstance(batch, int) and batch >= 2 * devices:
        smaller = next(size for size in range(batch // 2, 0, -1) if batch % size == size % devices == 0)
        steps = batch // smaller * recipe.accumulate
        ways.append(
            f"train.batch_size: {smaller} with train.accumulate: {steps}, "
            f"which keeps {batch * recipe.accumulate} images in a step"
        )
    ways.append("a smaller train.image_size")
    if on_gpu(device) and not recipe.amp:
        ways.append("train.amp: true")
    return "try " + ", or ".join(ways)


def _left_in_container(cgroup: Path) -> float | None:
    """Bytes left below the limit of this control group (version 2); None without a limit."""
    try:
        limit = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        cached = dict(line.split() for line in (cgroup / "memory.stat").read_text("ascii").splitlines())
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    return float(int(limit) - used + int(cached.get("inactive_file", 0)))
