"""The number format that `amp` means on a device. Light: torch is asked about GPUs alone."""

from typing import Literal

from bench.devices import on_gpu
from bench.feasibility import unsupported_format

Half = Literal["bf16", "fp16"]


def number_format(amp: bool | str, device: str, *, on_cpu: bool = True) -> Half | None:
    """None: float32. `true` takes bfloat16 where the device computes in it, else float16.

    `on_cpu`: whether the trainer mixes precisions on a CPU. Raises RecipeError for a format that the device
    does not train in.
    """
    if not amp or (amp is True and not on_cpu and not on_gpu(device)):
        return None
    bf16 = _gpu_has_bf16() if on_gpu(device) else on_cpu
    if amp == "fp16" and on_gpu(device):
        return "fp16"
    if bf16 and amp != "fp16":
        return "bf16"
    if amp is True:
        return "fp16"
    raise unsupported_format(amp, device)


def _gpu_has_bf16() -> bool:
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
