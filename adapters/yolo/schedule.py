"""How long a training by ultralytics is, and its learning rates, where ultralytics can't follow the recipe.

ultralytics counts whole epochs and sets one rate for each. A budget may end within an epoch, stages have
rates of their own, and warm restarts change the rate more often: such a training gets its rates step by step,
as in our own loop. Light: numbers, no framework.
"""

from dataclasses import dataclass

from bench.adapters.training.budget import Elapsed, Length
from bench.adapters.training.schedule import lr_factor, position
from bench.adapters.training.stages import ResolvedStage, of_epoch, resolved_stages
from bench.recipe import Recipe

UNLIMITED_EPOCHS = 1_000_000
"""Epochs of a training that ends after so many seconds: ultralytics needs a number."""


def schedules_steps(recipe: Recipe) -> bool:
    """Whether the rates change step by step, and not as ultralytics changes them."""
    return recipe.budget is not None or bool(recipe.stages) or recipe.schedule == "cosine_restarts"


@dataclass(frozen=True)
class Rate:
    """Peak rates (None: the optimiser's own, with auto_optimizer), and the factor of one step on them."""

    lr: float | None
    backbone_lr: float | None
    factor: float
    warmup: float
    """Part of the training's first warm-up that is over; 1 after it."""


class StepSchedule:
    """The length of one training on so many images, and its rates."""

    def __init__(self, recipe: Recipe, images: int) -> None:
        self.length = Length.of(recipe, images)
        self.stages = resolved_stages(recipe)

    @property
    def timed(self) -> bool:
        """Whether the training ends after so many seconds."""
        return self.length.seconds is not None

    def epochs(self, elapsed: Elapsed) -> int:
        """As ultralytics counts them, a part of one as a whole; an estimate where the seconds decide."""
        planned = self.length.planned_epochs(elapsed)
        return UNLIMITED_EPOCHS if self.timed and planned <= elapsed.epochs else planned

    def stage(self, epoch: int) -> ResolvedStage:
        """The stage of epoch `epoch`, from 0; a training without stages is a single one."""
        return of_epoch(self.stages, epoch + 1)

    def rate(self, epoch: int, elapsed: Elapsed) -> Rate:
        """For the optimiser step that comes after `elapsed`, in epoch `epoch` from 0."""
        stage = self.stage(epoch)
        at = position(stage, self.length, elapsed)
        warmup = at.warmup if stage.first_epoch == 1 else 1.0
        return Rate(stage.recipe.lr, stage.recipe.backbone_lr, lr_factor(stage.recipe, at), warmup)
