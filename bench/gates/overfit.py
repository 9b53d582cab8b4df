"""Overfit one small batch: a model that can't learn that learns nothing."""

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
"""Batch size for large inputs: it must fit wherever the training itself does."""

FALLEN = 0.9
"""The loss has clearly fallen when two steps in a row are below this share of the first one."""

MOST_STEPS = 40
LEAST_STEPS = 3
BUDGET_S = 20.0


def images(recipe: Recipe) -> int:
    """The batch size."""
    large = (recipe.long_side or 0) >= LARGE_INPUT
    return min(recipe.batch, LARGE_IMAGES if large else MOST_IMAGES)


def falling_loss(detector: Detector, layout: Layout, recipe: Recipe, workdir: Path, device: str) -> str:
    """Train `detector` on the single batch that is `layout`'s train split, until its loss has clearly fallen.

    Stops after MOST_STEPS, or after BUDGET_S if the loss has fallen at all by then. Raises GateFailed where
    it has not fallen in MOST_STEPS: however slow or busy the machine is, only then is a model invalid.
    """
    if not recipe.trains:
        return Flag("not checked: nothing is trained")
    losses = _losses(detector, layout, recipe, workdir, device)
    summary = f"from {losses[0]:.3g} to {losses[-1]:.3g} in {len(losses)} steps on {images(recipe)} images"
    if _fallen(losses):
        return f"the loss falls {summary}"
    if len(losses) < MOST_STEPS and min(losses[1:]) < losses[0]:
        return Flag(f"the loss falls little, {summary}: no more steps fit into {BUDGET_S:.0f} s")
    raise GateFailed(f"the loss of one small batch does not fall: {summary}")


def _losses(detector: Detector, layout: Layout, recipe: Recipe, workdir: Path, device: str) -> list[float]:
    """Sum of the train losses at every step."""
    losses: list[float] = []
    begun = time.perf_counter()

    def on_epoch(epoch: EpochRecord) -> bool:
        losses.append(sum(epoch.train_losses.values()))
        out_of_time = time.perf_counter() - begun > BUDGET_S
        falling = len(losses) >= LEAST_STEPS and min(losses[1:]) < losses[0]
        return (out_of_time and falling) or _fallen(losses)

    workdir.mkdir(parents=True)
    context = FitContext(
        workdir=workdir,
        seed=0,
        device=device,
        score_val=lambda found: {"AP": 0.0, "AP50": 0.0},  # never looked at
        on_epoch=on_epoch,
    )
    detector.fit(layout, steps_on_one_batch(recipe), context)
    if any(not math.isfinite(loss) for loss in losses):
        raise GateFailed(f"a loss is no finite number: {losses}")
    if len(losses) < LEAST_STEPS:
        raise GateFailed(f"{len(losses)} epochs were reported of {MOST_STEPS}")
    return losses


def _fallen(losses: list[float]) -> bool:
    return len(losses) >= LEAST_STEPS and max(losses[-2:]) <= FALLEN * losses[0]


def steps_on_one_batch(recipe: Recipe) -> Recipe:
    """The plan's own optimiser, rates and image size; each epoch is one step; no augmentation, no validation.

    Built without pydantic's validation, which would refuse some of these combinations.
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
