"""Resolves DETR's options and recipe for a plan. No torch.

Published values: Carion et al. 2020, End-to-End Object Detection with Transformers, section 4 and appendix
A.4, and the defaults of its code (facebookresearch/detr, main.py).
"""

from collections.abc import Mapping
from typing import Any

from bench.adapters import options as own_options
from bench.adapters.detr.options import DetrOptions
from bench.adapters.loop import augment
from bench.adapters.losses.planning import options_with_loss
from bench.adapters.query import planning as query
from bench.errors import ConfigError
from bench.loss import LossConfig
from bench.recipe import Recipe
from bench.records import LedgerEntry

LOSS_OPTIONS = {**query.LOSS_OPTIONS, "background_weight": "no_object_weight"}
"""Settings of `loss` -> options."""

TINY_DEFAULTS: dict[str, Any] = {
    **query.DEFAULTS,
    "image_size": 96,
    "lr": 1e-3,
    "schedule": "cosine",
    "warmup_epochs": 5.0,
    "clip_norm": 1.0,
}
"""Measured on the synthetic scenes."""


def checked(options: DetrOptions, weights: str) -> DetrOptions:
    """With the norm layers that fit the weights. Raises ConfigError for options that contradict others."""
    norm = query.norm_layers(options.norm, weights)
    assert options.width is not None and options.heads is not None, "options are resolved"
    if options.width % options.heads or options.width % 2:
        raise ConfigError(
            f"must be even, and {options.heads} heads must share it equally",
            record="options.width",
            value=options.width,
        )
    return options.model_copy(update={"norm": norm})


def settings(options: Mapping[str, Any], recipe: Recipe) -> DetrOptions:
    """The options, with the settings of `loss` that are options. Raises ConfigError."""
    if recipe.loss.background_weight == 0:
        raise ConfigError(
            "queries without an object would never learn to be silent",
            record="loss.background_weight",
            value=recipe.loss.background_weight,
            hint="say more than 0; DETR's own is 0.1",
        )
    settings = own_options.read(DetrOptions, options_with_loss(recipe.loss, options, LOSS_OPTIONS), "detr")
    if settings.focal is not None and not recipe.trains:
        raise ConfigError(
            "nothing is trained: the weights know how they are to be scored",
            record="options.focal",
            value=settings.focal,
            hint="leave it out",
        )
    _check_loss(recipe.loss, settings)
    return settings


def _check_loss(settings: LossConfig, options: DetrOptions) -> None:
    """Raises ConfigError where the loss contradicts the way classes are scored."""
    if options.focal == "sigmoid" and not settings.focal:
        raise ConfigError(
            f"does not go with classification: {settings.classification}",
            record="options.focal",
            value=options.focal,
            hint="say loss.classification: focal or weighted_focal, or leave it out",
        )
    if options.focal == "sigmoid" and settings.label_smoothing:
        raise ConfigError(
            "smooths a softmax; this head has a sigmoid a class",
            record="loss.label_smoothing",
            value=settings.label_smoothing,
            hint="leave it out, or say options.focal: softmax",
        )


def scored(resolved: DetrOptions, given: DetrOptions, recipe: Recipe) -> DetrOptions:
    """With the way classes are scored: the checkpoint's without training, else the one of the loss.

    With sigmoids the background has no weight by default, as in Deformable DETR.
    """
    if not recipe.trains:
        return resolved.model_copy(update={"focal": resolved.focal or "softmax"})
    focal = given.focal or "softmax"
    weight = given.no_object_weight
    if weight is None:
        weight = 1.0 if focal == "sigmoid" else resolved.no_object_weight
    return resolved.model_copy(update={"focal": focal, "no_object_weight": weight})


def check_recipe(recipe: Recipe, options: DetrOptions) -> None:
    """Raises RecipeError for sizes that the backbone or the augmentation can't take. `recipe` is resolved."""
    query.check_size(recipe, options.stride)
    augment.check(options.augment, recipe)


def recipe(recipe: Recipe, options: DetrOptions, *, tiny: bool, random: bool) -> Recipe:
    """With the family's own values for settings that are None. Raises RecipeError."""
    usual = TINY_DEFAULTS if tiny else query.DEFAULTS
    # Not the background's weight: setting it would mean that the loss is not transformers' own.
    own = {setting: getattr(options, home) for setting, home in query.LOSS_OPTIONS.items()}
    return query.recipe(recipe, usual, own, random=random, family="detr")


def ledger(asked: Recipe, used: Recipe, weights: str) -> tuple[LedgerEntry, ...]:
    entries = []
    if asked.image_size is None and weights != "none":
        entries.append(
            LedgerEntry(
                setting="image_size",
                asked="the family's own",
                used=str(used.input_size),
                why="DETR fixes the short side too; here the long side is matched for every detector",
            )
        )
    return (*entries, *query.frozen_layers(used, weights))
