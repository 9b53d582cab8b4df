"""Number formats, memory order and compilation: words that change the speed of a training, not its sense."""

from dataclasses import replace

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from bench.adapters.loop.trainable import Batch, Trainable
from bench.errors import RecipeError
from bench.recipe import Recipe


def accelerator(device: str, recipe: Recipe) -> Accelerator:
    """For one process on `device`. accelerate's state is the whole process's: an earlier fit's is dropped.

    Raises RecipeError for a number format that the device can't compute in.
    """
    half = number_format(recipe.amp, device)
    AcceleratorState._reset_state(reset_partial_state=True)
    if device == "cpu":
        return Accelerator(cpu=True, mixed_precision=half)
    torch.cuda.set_device(torch.device(device))
    return Accelerator(mixed_precision=half)


def number_format(amp: bool | str, device: str) -> str:
    """accelerate's word for `amp`: 'no', 'bf16' or 'fp16'. Every CPU computes bfloat16, few of them fast.

    Raises RecipeError where the device has it not.
    """
    if not amp:
        return "no"
    bf16 = device == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    if amp is True:
        return "bf16" if bf16 else "fp16"
    if (amp == "fp16" and device == "cpu") or (amp == "bf16" and not bf16):
        raise RecipeError(
            f"{device} does not train in this number format",
            record="train.amp",
            value=amp,
            hint="say true, which takes what the device has, or false",
        )
    return str(amp)


def arrange(trainable: Trainable, recipe: Recipe) -> None:
    """Memory order and compilation, as the recipe says; the names in its state_dict stay as they are."""
    if recipe.channels_last:
        trainable.to(memory_format=torch.channels_last)
    if recipe.compile:
        for module in trainable.compilable:
            module.compile()


def ordered(batch: Batch) -> Batch:
    """The same batch with its pixels in channels-last order."""
    return replace(batch, pixels=batch.pixels.contiguous(memory_format=torch.channels_last))
