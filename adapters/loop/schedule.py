"""The learning rate over a training, as a function of the step alone: nothing to save, nothing to restore."""

import math

from bench.recipe import Recipe

STEP_FACTOR = 0.1
"""`step` multiplies the rate by this at each of `step_at` (DETR and torchvision both do)."""


def factor(recipe: Recipe, step: int, *, steps: int, steps_in_epoch: int) -> float:
    """What the peak rate is multiplied by in optimiser step `step` (from 0) of `steps`.

    Warm-up is linear and ends at 1 in its last step. `cosine` starts after it and reaches
    `final_lr_share` in the last step; `step_at` counts from the start of the training.
    """
    warmup = min(steps, round((recipe.warmup_epochs or 0) * steps_in_epoch))
    warm = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if recipe.schedule == "step":
        passed = sum(step >= share * steps for share in recipe.step_at)
        return float(warm * STEP_FACTOR**passed)
    if recipe.schedule == "cosine":
        done = max(0, step - warmup) / max(1, steps - warmup - 1)
        return warm * (
            recipe.final_lr_share + (1 - recipe.final_lr_share) * (1 + math.cos(math.pi * done)) / 2
        )
    return warm
