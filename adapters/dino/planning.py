"""What DINO makes of its settings and of a recipe, before anything is built. No torch."""

from collections.abc import Mapping
from typing import Any

from bench.adapters import options as own_options
from bench.adapters.dino.options import DinoOptions
from bench.adapters.loop import augment
from bench.adapters.losses.planning import options_with_loss, refuse_settings, with_family_defaults
from bench.adapters.training import stages
from bench.errors import ConfigError, RecipeError
from bench.recipe import Recipe
from bench.records import LedgerEntry

PARTS = ("backbone", "encoder", "decoder", "head")

PUBLISHED: dict[str, Any] = {
    "image_size": 1333,
    "optimizer": "adamw",
    "lr": 1e-4,
    "weight_decay": 1e-4,
    "schedule": "step",
    "warmup_epochs": 0.0,
    "clip_norm": 0.1,
    "decay_norms": True,
}
"""Zhang et al. 2022, appendix D, table 8."""

BACKBONE_SHARE = 0.1
"""Rate of a pretrained backbone as a share of the rest's; a random one trains at the full rate."""

TINY: dict[str, Any] = PUBLISHED | {"image_size": 96, "lr": 1e-3, "schedule": "cosine", "clip_norm": 1.0}
"""Measured on the synthetic scenes."""

LOSS_OPTIONS = {
    "class_coefficient": "class_loss",
    "l1_coefficient": "box_loss",
    "iou_coefficient": "giou_loss",
    "class_cost": "class_cost",
    "l1_cost": "box_cost",
    "iou_cost": "giou_cost",
}
"""Settings of `loss` -> ours."""


def settings(options: Mapping[str, Any], recipe: Recipe, variant: DinoOptions) -> DinoOptions:
    """The family's own settings, with what `loss` says of them, and the variant's where they are open.

    Raises ConfigError or RecipeError.
    """
    refuse_settings(recipe.loss, ("background_weight",), "DINO has a sigmoid a class and no background class")
    if recipe.loss.changes_classification:
        raise RecipeError(
            "DINO trains with its own focal loss (alpha 0.25, gamma 2); no other is built for it",
            record="loss.classification",
            value=recipe.loss.classification,
            hint="set classification: standard for this model",
        )
    given = options_with_loss(recipe.loss, options, LOSS_OPTIONS)
    return own_options.read(DinoOptions, {**variant.model_dump(mode="json"), **given}, "dino")


def norm(options: DinoOptions, weights: str) -> DinoOptions:
    """With the norm layers that fit the weights. Raises ConfigError."""
    if weights == "none" and options.norm == "frozen":
        raise ConfigError(
            "frozen batch norm is the identity without statistics from pretrained weights",
            record="options.norm",
            value=options.norm,
            hint="leave it out, or set batch",
        )
    return options.model_copy(update={"norm": options.norm or ("batch" if weights == "none" else "frozen")})


def recipe(asked: Recipe, options: DinoOptions, *, tiny: bool, random: bool) -> Recipe:
    """With the family's own values where the recipe is open. Raises RecipeError."""
    if asked.optimizer == "sgd" and asked.lr is None:
        raise RecipeError("no SGD rate is published for DINO", record="train.lr", hint="set it, or use adamw")
    usual = dict(TINY if tiny else PUBLISHED)
    lr = asked.lr or usual["lr"]
    usual |= {"backbone_lr": lr if random else lr * BACKBONE_SHARE, "momentum": 0.9}
    open_ = {name: value for name, value in usual.items() if getattr(asked, name) is None}
    full = asked.model_copy(update=open_)
    if full.input_size.short < options.stride:
        raise RecipeError(
            f"the coarsest feature level has a stride of {options.stride} pixels: nothing would be left",
            record="train.image_size",
            value=full.image_size,
            hint=f"set {options.stride} or more, or fewer options.levels",
        )
    augment.check(options.augment, full)
    own = {name: getattr(options, home) for name, home in LOSS_OPTIONS.items()}
    return stages.resolved(with_family_defaults(full, own), PARTS, "dino")


def ledger(weights: str, used: Recipe) -> tuple[LedgerEntry, ...]:
    """Post-processing that differs from the other families', and rates of a pretrained backbone."""
    entries = [
        LedgerEntry(
            setting="post-processing",
            asked="one class a query",
            used="the best of queries x classes",
            why="DINO's own: a query may name several classes",
        )
    ]
    if weights != "none":
        entries.append(
            LedgerEntry(
                setting="backbone_lr",
                asked=str(used.backbone_lr),
                used=f"{used.backbone_lr}, 0 for the stem and the first stage",
                why="DINO trains pretrained backbones so",
            )
        )
    return tuple(entries)
