"""Words of `loss:` on their way into a family's plan. No torch."""

from collections.abc import Iterable, Mapping
from typing import Any

from bench.errors import ConfigError, RecipeError
from bench.loss import LossConfig
from bench.recipe import Recipe


def folded(settings: LossConfig, options: Mapping[str, Any], homes: Mapping[str, str]) -> dict[str, Any]:
    """The options that were said, with what `loss` says of them. `homes`: word of `loss` -> option.

    Raises ConfigError where both say it, and not the same.
    """
    found = dict(options)
    for setting, option in homes.items():
        value = getattr(settings, setting)
        if value is None:
            continue
        if found.get(option) not in (None, value):
            raise ConfigError(
                f"options.{option} says {found[option]!r}: they are the same figure",
                record=f"loss.{setting}",
                value=value,
                hint="say it once",
            )
        found[option] = value
    return found


def refuse(settings: LossConfig, unknown: Iterable[str], why: str) -> None:
    """Raises RecipeError for a word that the head has no place for."""
    for setting in unknown:
        value = getattr(settings, setting)
        if value is not None:
            raise RecipeError(why, record=f"loss.{setting}", value=value, hint="leave it out for this model")


def with_family_defaults(recipe: Recipe, own: Mapping[str, float]) -> Recipe:
    """The recipe with the family's own figures for words of `loss` that stand open."""
    figures = {setting: value for setting, value in own.items() if getattr(recipe.loss, setting) is None}
    return recipe.model_copy(update={"loss": recipe.loss.model_copy(update=figures)})
