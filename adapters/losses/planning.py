"""The settings of `loss:` in a family's plan. No torch."""

from collections.abc import Iterable, Mapping
from typing import Any

from bench.errors import ConfigError, RecipeError
from bench.loss import LossConfig
from bench.recipe import Recipe


def options_with_loss(
    settings: LossConfig, options: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    """The given options, with the settings of `loss` that are options. `names`: setting -> option.

    Raises ConfigError where both are given and differ.
    """
    found = dict(options)
    for setting, option in names.items():
        value = getattr(settings, setting)
        if value is None:
            continue
        if found.get(option) not in (None, value):
            raise ConfigError(
                f"options.{option} is {found[option]!r}: they are the same setting",
                record=f"loss.{setting}",
                value=value,
                hint="give one of them",
            )
        found[option] = value
    return found


def refuse_settings(settings: LossConfig, refused: Iterable[str], why: str) -> None:
    """Raises RecipeError for a setting that does not apply to the model."""
    for setting in refused:
        value = getattr(settings, setting)
        if value is not None:
            raise RecipeError(why, record=f"loss.{setting}", value=value, hint="leave it out for this model")


def with_family_defaults(recipe: Recipe, defaults: Mapping[str, float]) -> Recipe:
    """The recipe with the family's own values for settings of `loss` that are None."""
    values = {setting: value for setting, value in defaults.items() if getattr(recipe.loss, setting) is None}
    return recipe.model_copy(update={"loss": recipe.loss.model_copy(update=values)})
