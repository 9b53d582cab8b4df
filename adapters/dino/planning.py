"""What DINO makes of its settings and of a recipe, before anything is built. No torch."""

from collections.abc import Mapping
from typing import Any

from bench.adapters import options as own_options
from bench.adapters.dino.options import DinoOptions
from bench.adapters.loop import augment
from bench.adapters.losses.planning import options_with_loss, refuse_settings
from bench.adapters.query import planning as query
from bench.errors import RecipeError
from bench.recipe import Recipe
from bench.records import LedgerEntry

TINY_DEFAULTS: dict[str, Any] = {
    **query.DEFAULTS,
    "image_size": 96,
    "lr": 1e-3,
    "schedule": "cosine",
    "clip_norm": 1.0,
}
"""Measured on the synthetic scenes."""


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
    given = options_with_loss(recipe.loss, options, query.LOSS_OPTIONS)
    return own_options.read(DinoOptions, {**variant.model_dump(mode="json"), **given}, "dino")


def recipe(asked: Recipe, options: DinoOptions, *, tiny: bool, random: bool) -> Recipe:
    """With the family's own values where the recipe is open. Raises RecipeError."""
    usual = TINY_DEFAULTS if tiny else query.DEFAULTS
    own = {setting: getattr(options, home) for setting, home in query.LOSS_OPTIONS.items()}
    full = query.recipe(asked, usual, own, random=random, family="dino")
    query.check_size(full, options.stride)
    augment.check(options.augment, full)
    return full


def ledger(weights: str, used: Recipe) -> tuple[LedgerEntry, ...]:
    """Post-processing that differs from the other families', and rates of a pretrained backbone."""
    selection = LedgerEntry(
        setting="post-processing",
        asked="one class a query",
        used="the best of queries x classes",
        why="DINO's own: a query may name several classes",
    )
    return (selection, *query.frozen_layers(used, weights))
