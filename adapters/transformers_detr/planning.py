"""Resolves options and recipe of an architecture for a plan. No torch."""

from collections.abc import Mapping
from typing import Any

from bench.adapters import options as own_options
from bench.adapters.loop import augment
from bench.adapters.losses.planning import options_with_loss, refuse_settings
from bench.adapters.query import planning as query
from bench.adapters.transformers_detr.architecture import Architecture
from bench.adapters.transformers_detr.options import QueryOptions
from bench.errors import ConfigError, RecipeError
from bench.recipe import Recipe
from bench.records import LedgerEntry


def settings(options: Mapping[str, Any], recipe: Recipe, architecture: Architecture) -> QueryOptions:
    """The options, with the settings of `loss` that are options. Raises ConfigError or RecipeError."""
    title = architecture.title
    refuse_settings(
        recipe.loss, ("background_weight",), f"{title} has one sigmoid per class and no background class"
    )
    if recipe.loss.changes_classification:
        raise RecipeError(
            f"{title} trains with its own {architecture.loss}; no other is built for it",
            record="loss.classification",
            value=recipe.loss.classification,
            hint="set classification: standard for this model",
        )
    given = options_with_loss(recipe.loss, options, query.LOSS_OPTIONS)
    found = own_options.read(QueryOptions, given, architecture.name)
    if found.denoising is not None and architecture.denoising is None:
        raise ConfigError(
            f"{title} has no denoising queries",
            record="options.denoising",
            value=found.denoising,
            hint="leave it out",
        )
    return found


def resolved(
    given: QueryOptions, architecture: Architecture, config: Mapping[str, Any], weights: str
) -> QueryOptions:
    """With every option set. `config` is the variant's or the weights'. Raises ConfigError."""
    full = given.resolved(architecture, config)
    return full.model_copy(update={"norm": query.norm_layers(given.norm, weights)})


def recipe(
    asked: Recipe,
    usual: Mapping[str, Any],
    options: QueryOptions,
    architecture: Architecture,
    *,
    random: bool,
) -> Recipe:
    """With the architecture's own values for settings that are None. Raises RecipeError."""
    own = {setting: getattr(options, home) for setting, home in query.LOSS_OPTIONS.items()}
    full = query.recipe(asked, usual, own, random=random, family=architecture.name)
    strides = architecture.strides(options.config)
    query.check_size(full, strides[-1])
    side = canvas_side(full.input_size.long, strides)
    cells = sum((side // stride) ** 2 for stride in strides)
    if (
        architecture.selects_queries(options.config)
        and options.queries is not None
        and options.queries > cells
    ):
        raise RecipeError(
            f"queries start from feature cells: an image of {full.input_size.long} pixels has {cells}",
            record="options.queries",
            value=options.queries,
            hint=f"set at most {cells}, or a larger train.image_size",
        )
    augment.check(options.augment, full)
    return full


def canvas_side(side: int, strides: tuple[int, ...]) -> int:
    """The next multiple of the coarsest stride: its feature maps are added to finer ones, cell by cell."""
    return -(-side // strides[-1]) * strides[-1]


def ledger(
    architecture: Architecture, used: Recipe, options: QueryOptions, weights: str
) -> tuple[LedgerEntry, ...]:
    """How it differs from the other families: preprocessing, post-processing, frozen layers."""
    best = LedgerEntry(
        setting="post-processing",
        asked="one class per query",
        used=f"the best {architecture.top or options.queries} of queries x classes",
        why="its authors' own: a query may name several classes",
    )
    frozen = query.frozen_layers(used, weights) if architecture.frozen_when_pretrained else ()
    return (*architecture.notes, best, *frozen)
