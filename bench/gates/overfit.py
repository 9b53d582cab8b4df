"""Overfitting one small batch: if its loss does not fall, nothing else will."""

import math
import time
from pathlib import Path

from bench.detector import Detector, FitContext
from bench.gates.gate import Flag, GateFailed
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import EpochRecord

MOST_IMAGES = 4
LARGE_INPUT = 480  # pixels
LARGE_IMAGES = 2
"""A batch of large pictures is cut to this: it has to fit wherever the training itself does."""

FALLEN = 0.9
"""Share of the first step's loss at which it has clearly fallen; two steps in a row, against chance."""

MOST_STEPS = 40
LEAST_STEPS = 3
BUDGET_S = 20.0


def images(recipe: Recipe) -> int:
    """How many the batch has."""
    large = (recipe.long_side or 0) >= LARGE_INPUT
    return min(recipe.batch, LARGE_IMAGES if large else MOST_IMAGES)


def falling_loss(detector: Detector, layout: Layout, recipe: Recipe, room: Path, device: str) -> str:
    """Train `detector`, which is spent afterwards, on `layout`'s train split: one batch, again and again.

    Ends when the loss has clearly fallen, or with the budget. Raises GateFailed where it has not fallen.
    """
    if not recipe.trains:
        return Flag("not tried: the recipe trains nothing")
    losses = _losses(detector, layout, recipe, room, device)
    first, best = losses[0], min(losses[1:], default=math.inf)
    told = f"from {first:.3g} to {losses[-1]:.3g} in {len(losses)} steps on {images(recipe)} pictures"
    if _fallen(losses):
        return f"the loss falls {told}"
    if len(losses) < MOST_STEPS and best < first:
        return Flag(f"the loss falls little, {told}: that is all that {BUDGET_S:.0f} s allow here")
    raise GateFailed(f"the loss of one small batch does not fall: {told}")


def _losses(detector: Detector, layout: Layout, recipe: Recipe, room: Path, device: str) -> list[float]:
    """Sum of the train losses at every step."""
    losses: list[float] = []
    begun = time.perf_counter()

    def hear(epoch: EpochRecord) -> bool:
        losses.append(sum(epoch.train_losses.values()))
        late = len(losses) >= LEAST_STEPS and time.perf_counter() - begun > BUDGET_S
        return late or _fallen(losses)

    room.mkdir(parents=True)
    context = FitContext(
        workdir=room,
        seed=0,
        device=device,
        score_val=lambda found: {"AP": 0.0, "AP50": 0.0},  # nobody asks here how good it is
        on_epoch=hear,
    )
    detector.fit(layout, steps_on_one_batch(recipe), context)
    if any(not math.isfinite(loss) for loss in losses):
        raise GateFailed(f"a loss is no finite number: {losses}")
    if len(losses) < LEAST_STEPS:
        raise GateFailed(f"{len(losses)} epochs were told of, {MOST_STEPS} asked for")
    return losses


def _fallen(losses: list[float]) -> bool:
    return len(losses) >= LEAST_STEPS and max(losses[-2:]) <= FALLEN * losses[0]


def steps_on_one_batch(recipe: Recipe) -> Recipe:
    """The plan's own optimiser, rates and size; an epoch is a step, nothing is drawn, nothing judged.

    Made without validation, which would ask for words that belong together.
    """
    size = images(recipe)
    changes = {
        "epochs": MOST_STEPS,
        "budget": None,
        "stages": (),
        "batch_size": size,
        "accumulate": 1,
        "schedule": "constant",
        "warmup_epochs": 0.0,
        "flip": 0.0,
        "multi_scale": 0.0,
        "patience": 0,
        "val_every": MOST_STEPS,
        "compile": False,
        "workers": 0,
    }
    return recipe.model_copy(update=changes)
