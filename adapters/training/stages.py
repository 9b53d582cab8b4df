"""A training as a sequence of stages; a recipe without any is a single stage. No torch: plans check these.

A setting that a stage leaves out is the recipe's, with one exception: a stage with `lr` and without
`backbone_lr` keeps the recipe's ratio of the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import RecipeError
from bench.recipe import Part, Recipe, Stage

ALL_BUT_HEAD: Part = "all_but_head"
HEAD = "head"


@dataclass(frozen=True)
class ResolvedStage:
    """Epochs with the same settings: `recipe` has the stage's rates and schedule."""

    recipe: Recipe
    first_epoch: int  # from 1
    epochs: int | None  # None: the whole training, however long
    freeze: frozenset[Part]


def resolved_stages(recipe: Recipe) -> list[ResolvedStage]:
    """The stages of a resolved recipe, in order. A backbone whose rate is 0 is frozen."""
    if not recipe.stages:
        return [ResolvedStage(recipe, 1, None, _freeze((), recipe.backbone_lr))]
    found = []
    first = 1
    for stage in filled(recipe):
        settings = {
            setting: getattr(stage, setting) for setting in ("lr", "backbone_lr", "schedule", "warmup_epochs")
        }
        freeze = _freeze(stage.freeze, stage.backbone_lr)
        found.append(ResolvedStage(recipe.model_copy(update=settings), first, stage.epochs, freeze))
        first += stage.epochs
    return found


def of_epoch(stages: Sequence[ResolvedStage], epoch: int) -> ResolvedStage:
    """The stage of epoch `epoch` (from 1)."""
    return [stage for stage in stages if stage.first_epoch <= max(1, epoch)][-1]


def filled(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages, with the recipe's settings where they leave them out."""
    return tuple(_filled(stage, recipe, first=not number) for number, stage in enumerate(recipe.stages))


def _filled(stage: Stage, recipe: Recipe, *, first: bool) -> Stage:
    backbone_lr = stage.backbone_lr
    if backbone_lr is None:
        backbone_lr = recipe.backbone_lr
        if backbone_lr is not None and stage.lr is not None and recipe.lr is not None:
            backbone_lr = stage.lr * (backbone_lr / recipe.lr)
    warmup = recipe.warmup_epochs if first else 0.0
    return stage.model_copy(
        update={
            "lr": stage.lr or recipe.lr,
            "backbone_lr": backbone_lr,
            "schedule": stage.schedule or recipe.schedule,
            "warmup_epochs": warmup if stage.warmup_epochs is None else stage.warmup_epochs,
        }
    )


def resolved(recipe: Recipe, parts: Sequence[str], model: str) -> Recipe:
    """A recipe whose other settings are resolved, with its stages. Raises RecipeError as `check`."""
    check(recipe, parts, model)
    return recipe.model_copy(update={"stages": filled(recipe)})


def check(recipe: Recipe, parts: Sequence[str], model: str) -> None:
    """Raises RecipeError where a stage freezes what a model with these `parts` does not have."""
    known = [*(part for part in parts if part != HEAD), ALL_BUT_HEAD]
    for number, stage in enumerate(recipe.stages, start=1):
        for part in stage.freeze:
            if part not in known:
                raise RecipeError(
                    f"{model} has no such part to freeze",
                    record=f"train.stages, stage {number}, freeze",
                    value=part,
                    hint=f"its parts are {', '.join(known)}",
                )


def _freeze(asked: Sequence[Part], backbone_lr: float | None) -> frozenset[Part]:
    return frozenset(asked) | ({"backbone"} if backbone_lr == 0 else set())
