"""Apply a setting to the config: for the model that a trial trains, and for the two that the final run
compares."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.config import BenchConfig, ModelConfig, check
from bench.config_problems import guess
from bench.detector import Plan
from bench.errors import BenchError, ConfigError
from bench.loss import CLASSIFICATION_SETTINGS
from bench.runner.plan import plan_model
from bench.searching.space import Setting, Space

SECTIONS = ("train", "loss", "options")
"""Sections of a model's entry."""
PLAIN = ("variant", "weights")

CHOICE = "loss.classification"


@dataclass(frozen=True)
class Batching:
    """Images per batch, and batches per optimiser step."""

    size: int
    accumulate: int

    def halved(self) -> "Batching | None":
        """Half the batch size or the next smaller divisor, accumulated to the same images per step; None for
        1."""
        together = self.size * self.accumulate
        smaller = [size for size in range(1, self.size // 2 + 1) if together % size == 0]
        return Batching(smaller[-1], together // smaller[-1]) if smaller else None


def config_with_setting(
    config: BenchConfig, name: str, setting: Mapping[str, Any], batch: Batching | None = None
) -> BenchConfig:
    """The config with only the model `name`, its own options replaced by those of the setting.

    Where the setting has `loss.classification`, the model's own options that depend on it are dropped.
    Raises ConfigError for an unknown option, or a value that it can't take.
    """
    entry = model_entry(config, name, setting, batch)
    tree = config.model_dump(mode="json", exclude={"search", "models", "shares"}) | {"models": [entry]}
    return check(tree, f"the space of {name}")


def model_entry(
    config: BenchConfig, name: str, setting: Mapping[str, Any], batch: Batching | None = None
) -> dict[str, Any]:
    """The model's entry as in bench.yaml."""
    entry = model_of(config, name).model_dump(mode="json")
    if CHOICE in setting:
        entry["loss"] = {key: v for key, v in entry["loss"].items() if key not in CLASSIFICATION_SETTINGS}
    for key, value in setting.items():
        section, _, rest = key.partition(".")
        if section in SECTIONS and rest and "." not in rest:
            entry[section][rest] = value
        elif key in PLAIN:
            entry[key] = value
        else:
            starts = [f"{section}." for section in SECTIONS]
            raise ConfigError(
                f"no model has this option: it begins with {', '.join(starts)}, or is {' or '.join(PLAIN)}"
                + guess(section, SECTIONS),
                record=f"search.space.{key}",
            )
    if batch is not None:
        entry["train"] |= {"batch_size": batch.size, "accumulate": batch.accumulate}
    return entry


def plan_setting(
    config: BenchConfig, name: str, setting: Mapping[str, Any], batch: Batching | None = None
) -> Plan:
    """The plan of a trial. Raises BenchError where the setting can't be followed."""
    ours = config_with_setting(config, name, setting, batch)
    plan = plan_model(ours.models[0], ours)
    if plan.recipe.batch_size == "auto":
        raise ConfigError(
            "all trials need the same batch size",
            record="train.batch_size",
            value="auto",
            hint="give a number: a trial that runs out of memory halves it and accumulates",
        )
    return plan


def plan_corners(config: BenchConfig, name: str, space: Space) -> Iterator[Plan]:
    """Plans of the config's own settings and of every corner of the space.

    Raises BenchError for the first that can't be planned, with the setting.
    """
    for setting in ({}, *space.corners()):
        model_entry(config, name, setting)  # first, for its message on unknown options
        try:
            yield plan_setting(config, name, setting)
        except BenchError as error:
            if not setting:
                raise
            text = ", ".join(f"{key}: {value}" for key, value in setting.items())
            raise ConfigError(
                f"the space holds a setting that {name} can't follow: {text}\n{error}",
                record="search.space",
                hint="remove the option or value, or restrict it with `when`",
            ) from None


def configured_setting(plan: Plan, space: Space) -> Setting:
    """The values that the config, or the family's defaults, have for the space's options: the first trial."""
    recipe = plan.recipe.model_dump()
    known: Setting = {"variant": plan.variant}
    for section, values in (("train", recipe), ("loss", recipe["loss"]), ("options", plan.options)):
        known |= {f"{section}.{name}": value for name, value in values.items()}
    return {key: known[key] for key in space.parameters if key in known}


def model_of(config: BenchConfig, name: str) -> ModelConfig:
    return next(model for model in config.models if model.name == name)


def final_config(
    config: BenchConfig, best: Mapping[str, tuple[Setting, Batching]], seeds: Sequence[int]
) -> BenchConfig:
    """The run of NAME-standard and NAME-best for every model, both with the batch size of its best trial.

    `best` is each model's best setting.
    """
    entries = []
    for name, (setting, batch) in best.items():
        base = model_of(config, name)
        own = base.recipe(config.train, config.loss)
        changed = batch if batch != Batching(own.batch, own.accumulate) else None
        for role, changes in (("standard", {CHOICE: "standard"}), ("best", setting)):
            entries.append(model_entry(config, name, changes, changed) | {"name": f"{name}-{role}"})
    tree = config.model_dump(mode="json", exclude={"search", "models"})
    return check(tree | {"models": entries, "seeds": list(seeds)}, "the final run")
