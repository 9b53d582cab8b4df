"""The learning rate over a training, by the place alone: nothing to save, nothing to restore."""

import math
from dataclasses import dataclass
from typing import Self

from bench.adapters.loop.budget import Length, Spent
from bench.adapters.loop.stages import ResolvedStage
from bench.recipe import Recipe

STEP_FACTOR = 0.1
"""`step` multiplies the rate by this at each of `step_at` (DETR and torchvision both do)."""


@dataclass(frozen=True)
class Place:
    """Where an optimiser step stands in what its schedule runs over: a training, or a stage of it."""

    at: float
    """How much is over before this step, and `whole`, all there is: in steps or in seconds."""
    whole: float
    warm: float
    """How far the warm-up is, 1 in its last step and ever after."""
    done: float
    """How far the decay is: 0 at its begin, 1 in its last step."""

    @classmethod
    def by_steps(cls, step: int, *, steps: int, warmup: int) -> Self:
        """Step `step` (from 0) of `steps`, the first `warmup` of which are warm-up; the decay comes after."""
        warmup = min(steps, warmup)
        done = max(0, step - warmup) / max(1, steps - warmup - 1)
        return cls(at=step, whole=steps, warm=_warm(step, warmup), done=done)

    @classmethod
    def by_seconds(cls, used_s: float, *, seconds: float, step: int, warmup: int) -> Self:
        """A step that begins after `used_s` of `seconds`.

        Nobody knows how many steps there will be: warm-up counts them, and the decay runs from the start.
        """
        return cls(at=used_s, whole=seconds, warm=_warm(step, warmup), done=min(1.0, used_s / seconds))


def _warm(step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


def place(stage: ResolvedStage, length: Length, spent: Spent) -> Place:
    """Of the step that comes after `spent`, in its stage."""
    in_epoch = length.steps_in_epoch
    warmup = round((stage.recipe.warmup_epochs or 0) * in_epoch)
    if length.seconds is not None:
        return Place.by_seconds(spent.seconds, seconds=length.seconds, step=spent.steps, warmup=warmup)
    steps = length.all_steps if stage.epochs is None else stage.epochs * in_epoch
    assert steps is not None, "only seconds leave the steps open"
    begun = (stage.first_epoch - 1) * in_epoch
    return Place.by_steps(spent.steps - begun, steps=steps, warmup=warmup)


def factor(recipe: Recipe, place: Place) -> float:
    """What the peak rate is multiplied by.

    Warm-up is linear. `linear` and `cosine` start after it and reach `final_lr_share` in the last step;
    `cosine_restarts` does so in each of its equal cycles (Loshchilov & Hutter 2017, SGDR, with T_mult 1);
    `step_at` counts from the start.
    """
    low = recipe.final_lr_share
    if recipe.schedule == "step":
        passed = sum(place.at >= share * place.whole for share in recipe.step_at)
        return float(place.warm * STEP_FACTOR**passed)
    if recipe.schedule == "linear":
        return place.warm * (low + (1 - low) * (1 - place.done))
    if recipe.schedule == "cosine":
        return place.warm * _cosine(place.done, low)
    if recipe.schedule == "cosine_restarts":
        cycle = min(int(place.done * recipe.restarts), recipe.restarts - 1)
        return place.warm * _cosine(place.done * recipe.restarts - cycle, low)
    return place.warm


def _cosine(done: float, low: float) -> float:
    return low + (1 - low) * (1 + math.cos(math.pi * done)) / 2
