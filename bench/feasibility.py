"""Whether a recipe can be followed on given data and devices: each rule once, for runner and detectors."""

from bench.devices import on_gpu
from bench.errors import RecipeError
from bench.recipe import Recipe


def check_batch(recipe: Recipe, images: int) -> None:
    """Raises RecipeError for a batch or an optimiser step larger than the train split of so many images."""
    batch = 1 if recipe.batch_size == "auto" else recipe.batch_size
    for record, size in (
        ("train.batch_size", batch),
        ("train.batch_size x train.accumulate", batch * recipe.accumulate),
    ):
        if size > images:
            raise RecipeError(
                f"the train split has {images} images only",
                record=record,
                value=size,
                hint=f"make it {images} or less",
            )


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
            hint="give a number",
        )
    if size % devices:
        raise RecipeError(
            f"{devices} devices can't share a batch evenly",
            record="train.batch_size",
            value=size,
            hint=f"use {max(1, size // devices) * devices}: the images of all devices together",
        )


def check_number_format(recipe: Recipe, device: str) -> None:
    """Raises RecipeError for float16 on a CPU: no framework here trains in it there."""
    if recipe.amp == "fp16" and not on_gpu(device):
        raise unsupported_format(recipe.amp, device)


def unsupported_format(amp: bool | str, device: str) -> RecipeError:
    """The error for a number format that a framework does not train in on this device."""
    return RecipeError(
        f"{device} does not train in this number format",
        record="train.amp",
        value=amp,
        hint="use true, which takes what the device supports, or false",
    )
