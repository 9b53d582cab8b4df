"""How long a training is, in every measure that a recipe may name. An epoch is a pass over train.

Steps and pictures are known beforehand, and the last epoch has exactly what is left of them; seconds are
counted while they pass, validation left out, and end the training after the step in which they are used up.
"""

import math
from dataclasses import dataclass
from typing import Self

from bench.recipe import Recipe


@dataclass(frozen=True)
class Spent:
    """What a training has used up so far; `seconds` leaves out validation."""

    epochs: int = 0
    steps: int = 0
    images: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Length:
    """The length of one training. Exactly one of `epochs`, `steps`, `images` and `seconds` is set."""

    in_epoch: int
    """Pictures in train."""
    in_step: int
    """Pictures in an optimiser step; the last one of an epoch may have fewer."""
    epochs: int | None = None
    steps: int | None = None
    images: int | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, recipe: Recipe, images: int) -> Self:
        """Of a recipe on so many training pictures."""
        in_step = recipe.batch * recipe.accumulate
        if recipe.budget is None:
            return cls(images, in_step, epochs=recipe.epochs)
        budget = recipe.budget
        return cls(images, in_step, steps=budget.steps, images=budget.images, seconds=budget.seconds)

    @property
    def steps_in_epoch(self) -> int:
        """Of a whole one."""
        return self._steps(self.in_epoch)

    @property
    def all_steps(self) -> int | None:
        """Optimiser steps of the whole training; None where seconds decide."""
        if self.epochs is not None:
            return self.epochs * self.steps_in_epoch
        if self.images is not None:
            whole, rest = divmod(self.images, self.in_epoch)
            return whole * self.steps_in_epoch + self._steps(rest)
        return self.steps

    def images_left(self, spent: Spent) -> int:
        """How many pictures the next epoch has, unless the time runs out in it."""
        left = self.in_epoch
        if self.steps is not None:
            left = (self.steps - spent.steps) * self.in_step
        if self.images is not None:
            left = self.images - spent.images
        return min(self.in_epoch, left)

    def steps_left(self, spent: Spent) -> int:
        """How many optimiser steps the next epoch has, unless the time runs out in it."""
        return self._steps(self.images_left(spent))

    def over(self, spent: Spent) -> bool:
        """Whether nothing is left to train."""
        return any(
            whole is not None and used >= whole
            for used, whole in (
                (spent.epochs, self.epochs),
                (spent.steps, self.steps),
                (spent.images, self.images),
                (spent.seconds, self.seconds),
            )
        )

    def planned_epochs(self, spent: Spent) -> int:
        """How many epochs there will be, a partial one counted; an estimate where seconds decide."""
        if self.epochs is not None:
            return self.epochs
        if self.seconds is not None:
            if self.over(spent) or not spent.seconds:
                return spent.epochs
            passes = spent.images / self.in_epoch * self.seconds / spent.seconds
            return max(spent.epochs + 1, math.ceil(passes))
        assert self.all_steps is not None, "one measure is set"
        return -(-self.all_steps // self.steps_in_epoch)

    def _steps(self, images: int) -> int:
        return -(-images // self.in_step)
