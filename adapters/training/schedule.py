"""The learning rate as a function of the position in the training: there is no state to save."""

import math
from dataclasses import dataclass
from typing import Self

from bench.adapters.training.budget import Elapsed, Length
from bench.adapters.training.stages import ResolvedStage
from bench.recipe import Recipe

STEP_FACTOR = 0.1
"""`step` multiplies the rate by this at each of `step_at` (DETR and torchvision both do)."""


@dataclass(frozen=True)
class Position:
    """Of an optimiser step in what its schedule runs over: a training, or a stage of it."""

    elapsed: float
    """Before this step, in the unit of `total`: steps or seconds."""
    total: float
    warmup: float
    """Progress of the warm-up: 1 in its last step and after it."""
    decay: float
    """Progress of the decay: 0 in its first step, 1 in its last."""

    @classmethod
    def by_steps(cls, step: int, *, steps: int, warmup: int) -> Self:
        """Step `step` (from 0) of `steps`, the first `warmup` of which are warm-up; the decay comes after."""
        warmup = min(steps, warmup)
        decay = max(0, step - warmup) / max(1, steps - warmup - 1)
        return cls(elapsed=step, total=steps, warmup=_warmup(step, warmup), decay=decay)

    @classmethod
    def by_seconds(cls, elapsed_s: float, *, seconds: float, step: int, warmup: int) -> Self:
        """A step that begins after `elapsed_s` of `seconds`.

        The number of steps is unknown: the warm-up counts them, and the decay runs from the start.
        """
        decay = min(1.0, elapsed_s / seconds)
        return cls(elapsed=elapsed_s, total=seconds, warmup=_warmup(step, warmup), decay=decay)


def _warmup(step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


def position(stage: ResolvedStage, length: Length, elapsed: Elapsed) -> Position:
    """Of the step that comes after `elapsed`, in its stage."""
    in_epoch = length.steps_per_epoch
    warmup = round((stage.recipe.warmup_epochs or 0) * in_epoch)
    if length.seconds is not None:
        return Position.by_seconds(elapsed.seconds, seconds=length.seconds, step=elapsed.steps, warmup=warmup)
    steps = length.total_steps if stage.epochs is None else stage.epochs * in_epoch
    assert steps is not None, "only seconds leave the steps open"
    begun = (stage.first_epoch - 1) * in_epoch
    return Position.by_steps(elapsed.steps - begun, steps=steps, warmup=warmup)


def lr_factor(recipe: Recipe, at: Position) -> float:
    """The factor on the peak rate.

    Warm-up is linear. `linear` and `cosine` start after it and reach `final_lr_share` in the last step;
    `cosine_restarts` does so in each of its equal cycles (Loshchilov & Hutter 2017, SGDR, with T_mult 1);
    `step_at` counts from the start.
    """
    low = recipe.final_lr_share
    if recipe.schedule == "step":
        passed = sum(at.elapsed >= share * at.total for share in recipe.step_at)
        return float(at.warmup * STEP_FACTOR**passed)
    if recipe.schedule == "linear":
        return at.warmup * (low + (1 - low) * (1 - at.decay))
    if recipe.schedule == "cosine":
        return at.warmup * _cosine(at.decay, low)
    if recipe.schedule == "cosine_restarts":
        cycle = min(int(at.decay * recipe.restarts), recipe.restarts - 1)
        return at.warmup * _cosine(at.decay * recipe.restarts - cycle, low)
    return at.warmup


def _cosine(done: float, low: float) -> float:
    return low + (1 - low) * (1 + math.cos(math.pi * done)) / 2
