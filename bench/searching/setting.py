"""A setting put into the config: the model that a trial trains, and the two that the final run compares."""

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
"""Of a model's words: those that hold words of their own."""
PLAIN = ("variant", "weights")

CHOICE = "loss.classification"


@dataclass(frozen=True)
class Batch:
    """Pictures that go through the network together, and batches in a step."""

    size: int
    accumulate: int

    def halved(self) -> "Batch | None":
        """Half of it, or the next smaller part, and as many more: a step sees as many pictures as before."""
        together = self.size * self.accumulate
        smaller = [size for size in range(1, self.size // 2 + 1) if together % size == 0]
        return Batch(smaller[-1], together // smaller[-1]) if smaller else None


def with_setting(
    config: BenchConfig, name: str, setting: Mapping[str, Any], batch: Batch | None = None
) -> BenchConfig:
    """The config of that model alone, with the setting's words in the place of its own.

    Where `loss.classification` is among them, of the words that go with it the setting's alone count.
    Raises ConfigError for a word that there is not, or a value that it can't take.
    """
    entry = model_entry(config, name, setting, batch)
    tree = config.model_dump(mode="json", exclude={"search", "models"}) | {"models": [entry]}
    return check(tree, f"the space of {name}")


def model_entry(
    config: BenchConfig, name: str, setting: Mapping[str, Any], batch: Batch | None = None
) -> dict[str, Any]:
    """That model as bench.yaml would have it."""
    entry = model_of(config, name).model_dump(mode="json")
    if CHOICE in setting:
        entry["loss"] = {word: v for word, v in entry["loss"].items() if word not in CLASSIFICATION_SETTINGS}
    for word, value in setting.items():
        section, _, rest = word.partition(".")
        if section in SECTIONS and rest and "." not in rest:
            entry[section][rest] = value
        elif word in PLAIN:
            entry[word] = value
        else:
            starts = [f"{section}." for section in SECTIONS]
            raise ConfigError(
                f"no model has this word: it begins with {', '.join(starts)}, or is {' or '.join(PLAIN)}"
                + guess(section, SECTIONS),
                record=f"search.space.{word}",
            )
    if batch is not None:
        entry["train"] |= {"batch_size": batch.size, "accumulate": batch.accumulate}
    return entry


def plan_setting(
    config: BenchConfig, name: str, setting: Mapping[str, Any], batch: Batch | None = None
) -> Plan:
    """The plan of a trial. Raises BenchError where the setting can't be followed."""
    ours = with_setting(config, name, setting, batch)
    plan = plan_model(ours.models[0], ours)
    if plan.recipe.batch_size == "auto":
        raise ConfigError(
            "trials are compared at one batch",
            record="train.batch_size",
            value="auto",
            hint="say a number: a trial that lacks memory takes half of it and accumulates",
        )
    return plan


def checked(config: BenchConfig, name: str, space: Space) -> Iterator[Plan]:
    """The plan of the config as it stands and of every corner of the space.

    Raises BenchError for the first that can't be planned, with the setting.
    """
    for setting in ({}, *space.corners()):
        model_entry(config, name, setting)  # a word that no model has is told as that
        try:
            yield plan_setting(config, name, setting)
        except BenchError as error:
            if not setting:
                raise
            told = ", ".join(f"{word}: {value}" for word, value in setting.items())
            raise ConfigError(
                f"the space holds a setting that {name} can't follow: {told}\n{error}",
                record="search.space",
                hint="take the word or value out, or say `when` it has a meaning",
            ) from None


def own_setting(plan: Plan, space: Space) -> Setting:
    """The words of the space as the config has them, where it says or the family knows: the first trial."""
    recipe = plan.recipe.model_dump()
    known: Setting = {"variant": plan.variant}
    for section, words in (("train", recipe), ("loss", recipe["loss"]), ("options", plan.options)):
        known |= {f"{section}.{word}": value for word, value in words.items()}
    return {word: known[word] for word in space.parameters if word in known}


def model_of(config: BenchConfig, name: str) -> ModelConfig:
    return next(model for model in config.models if model.name == name)


def final_config(
    config: BenchConfig, best: Mapping[str, tuple[Setting, Batch]], seeds: Sequence[int]
) -> BenchConfig:
    """The run of NAME-standard and NAME-best for every model, at the batch that its best trial ran with.

    `best` is what each model's search found.
    """
    entries = []
    for name, (setting, batch) in best.items():
        base = model_of(config, name)
        own = base.recipe(config.train, config.loss)
        changed = batch if batch != Batch(own.batch, own.accumulate) else None
        for role, words in (("standard", {CHOICE: "standard"}), ("best", setting)):
            entries.append(model_entry(config, name, words, changed) | {"name": f"{name}-{role}"})
    tree = config.model_dump(mode="json", exclude={"search", "models"})
    return check(tree | {"models": entries, "seeds": list(seeds)}, "the final run")
