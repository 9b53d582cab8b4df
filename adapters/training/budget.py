"""The length of a training, in epochs (passes over train), optimiser steps, images or seconds.

With a budget of steps or images the last epoch has exactly what is left of it. Seconds exclude validation;
the training ends after the step in which they are used up.
"""

import math
from dataclasses import dataclass
from typing import Self

from bench.recipe import Recipe


@dataclass(frozen=True)
class Elapsed:
    """What a training has used up so far; `seconds` leaves out validation."""

    epochs: int = 0
    steps: int = 0
    images: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Length:
    """The length of one training. Exactly one of `epochs`, `steps`, `images` and `seconds` is set."""

    images_per_epoch: int
    """Images in train."""
    images_per_step: int
    """Images in an optimiser step; the last one of an epoch may have fewer."""
    epochs: int | None = None
    steps: int | None = None
    images: int | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, recipe: Recipe, images: int) -> Self:
        """Of a recipe on so many training images."""
        images_per_step = recipe.batch * recipe.accumulate
        if recipe.budget is None:
            return cls(images, images_per_step, epochs=recipe.epochs)
        budget = recipe.budget
        return cls(images, images_per_step, steps=budget.steps, images=budget.images, seconds=budget.seconds)

    @property
    def steps_per_epoch(self) -> int:
        """Of a whole epoch."""
        return self._steps(self.images_per_epoch)

    @property
    def total_steps(self) -> int | None:
        """Optimiser steps of the whole training; None where seconds decide."""
        if self.epochs is not None:
            return self.epochs * self.steps_per_epoch
        if self.images is not None:
            whole, rest = divmod(self.images, self.images_per_epoch)
            return whole * self.steps_per_epoch + self._steps(rest)
        return self.steps

    def images_left(self, elapsed: Elapsed) -> int:
        """Images in the next epoch, unless the time runs out in it."""
        left = self.images_per_epoch
        if self.steps is not None:
            left = (self.steps - elapsed.steps) * self.images_per_step
        if self.images is not None:
            left = self.images - elapsed.images
        return min(self.images_per_epoch, left)

    def steps_left(self, elapsed: Elapsed) -> int:
        """Optimiser steps in the next epoch, unless the time runs out in it."""
        return self._steps(self.images_left(elapsed))

    def over(self, elapsed: Elapsed) -> bool:
        """Whether nothing is left to train."""
        return any(
            whole is not None and used >= whole
            for used, whole in (
                (elapsed.epochs, self.epochs),
                (elapsed.steps, self.steps),
                (elapsed.images, self.images),
                (elapsed.seconds, self.seconds),
            )
        )

    def planned_epochs(self, elapsed: Elapsed) -> int:
        """Epochs of the whole training, a partial one included; an estimate where seconds decide."""
        if self.epochs is not None:
            return self.epochs
        if self.seconds is not None:
            if self.over(elapsed) or not elapsed.seconds:
                return elapsed.epochs
            passes = elapsed.images / self.images_per_epoch * self.seconds / elapsed.seconds
            return max(elapsed.epochs + 1, math.ceil(passes))
        assert self.total_steps is not None, "one measure is set"
        return -(-self.total_steps // self.steps_per_epoch)

    def _steps(self, images: int) -> int:
        return -(-images // self.images_per_step)
