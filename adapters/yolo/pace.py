"""How long a training is, and its rates step by step: what the other families do, for ultralytics' loop.

ultralytics counts whole epochs and sets a rate for each. Budgets end in the middle of one, stages have rates
of their own, and restarts come more often: those trainings are paced by this module, all others by
ultralytics. Light: numbers, no framework.
"""

from dataclasses import dataclass

from bench.adapters.loop.budget import Length, Spent
from bench.adapters.loop.schedule import Place, factor
from bench.adapters.loop.stages import ResolvedStage, of_epoch, resolved_stages
from bench.recipe import Recipe

FOREVER = 1_000_000
"""Epochs of a training that a clock ends: ultralytics wants a number."""


def is_paced(recipe: Recipe) -> bool:
    """Whether rates go step by step, instead of ultralytics' way."""
    return recipe.budget is not None or bool(recipe.stages) or recipe.schedule == "cosine_restarts"


@dataclass(frozen=True)
class Rate:
    """Peak rates (None: the optimiser's own, with auto_optimizer), and how much of them a step has."""

    lr: float | None
    backbone_lr: float | None
    factor: float
    first_warmth: float  # share of the training's first warm-up; 1 after it


class Pace:
    """The length of one training on so many pictures, and its rates."""

    def __init__(self, recipe: Recipe, images: int) -> None:
        self.recipe = recipe
        self.length = Length.of(recipe, images)
        self.row = resolved_stages(recipe)

    @property
    def timed(self) -> bool:
        """Whether a clock ends it."""
        return self.length.seconds is not None

    def epochs(self, spent: Spent) -> int:
        """As ultralytics counts them, a part of one as a whole; a guess where a clock ends the training."""
        planned = self.length.planned_epochs(spent)
        return FOREVER if self.timed and planned <= spent.epochs else planned

    def stretch(self, epoch: int) -> ResolvedStage:
        """The stage that epoch `epoch`, from 0, is in, or the one that a training without stages is."""
        return of_epoch(self.row, epoch + 1)

    def rate(self, epoch: int, spent: Spent) -> Rate:
        """For the optimiser step that comes after `spent`, in epoch `epoch` from 0."""
        stretch = self.stretch(epoch)
        own = stretch.recipe
        place = self._place(stretch, spent)
        first_warmth = place.warm if stretch.first_epoch == 1 else 1.0
        return Rate(own.lr, own.backbone_lr, factor(own, place), first_warmth)

    def _place(self, stretch: ResolvedStage, spent: Spent) -> Place:
        each = self.length.steps_in_epoch
        step = spent.steps - (stretch.first_epoch - 1) * each
        warmup = round((stretch.recipe.warmup_epochs or 0) * each)
        if self.length.seconds is not None:
            return Place.by_seconds(spent.seconds, seconds=self.length.seconds, step=step, warmup=warmup)
        steps = self.length.all_steps if stretch.epochs is None else stretch.epochs * each
        assert steps is not None, "only seconds leave it open"
        return Place.by_steps(step, steps=steps, warmup=warmup)
