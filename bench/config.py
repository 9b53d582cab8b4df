"""bench.yaml: its settings, read and checked once.

All problems of a file are reported together, each with its key, its value and a guess at what was meant.
"""

import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from bench import config_tree, registry
from bench.config_problems import guess, problems
from bench.data_config import DataConfig
from bench.devices import Devices
from bench.errors import BenchError, ConfigError
from bench.loss import CLASSIFICATION_SETTINGS, LossConfig
from bench.recipe import LENGTH_SETTINGS, Recipe, Settings
from bench.search_config import SearchConfig

CONFIG_NAME = "bench.yaml"

USUAL_SHARES = (10, 25, 50)
"""Percent of the train split, for `bench run --shares`."""

LONGEST_NAME = 64
"""Characters; with the date, a seed and what frameworks add, a folder's name stays under the usual 255."""


def _names_a_folder(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise ValueError("use letters, digits, '.', '_' and '-': it names a folder")
    if len(value) > LONGEST_NAME:
        raise ValueError(f"is longer than {LONGEST_NAME} characters: it names a folder")
    return value


def _names_devices(value: str) -> str:
    Devices.parse(value)
    return value


FolderName = Annotated[str, AfterValidator(_names_a_folder)]


class ModelConfig(Settings):
    """One model. A plain string, `yolo` or `yolo:tiny`, gives family and variant."""

    name: FolderName = Field(description="Unique in a run. Default: the family's name.")
    family: str = Field(description="detr, yolo, frcnn, or a plug-in's.")
    variant: str | None = Field(None, description="Default: the family's first.")
    weights: str | None = Field(
        None,
        description="pretrained, none, a path, or backbone (detr). Default: the variant's own.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="The family's own settings.")
    train: dict[str, Any] = Field(
        default_factory=dict, description="Settings of `train` that differ for this model."
    )
    loss: dict[str, Any] = Field(
        default_factory=dict, description="Settings of `loss` that differ for this model."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            family, _, variant = value.partition(":")
            value = {"family": family, "variant": variant or None, "name": value.replace(":", "-")}
        if isinstance(value, Mapping) and "name" not in value and "family" in value:
            value = {**value, "name": value["family"]}
        return value

    @field_validator("family")
    @classmethod
    def _known(cls, value: str) -> str:
        names = registry.detector_names()
        if value not in names:
            raise ValueError(f"there are: {', '.join(names)}" + guess(value, names))
        return value

    def recipe(self, common: Recipe, loss: LossConfig) -> Recipe:
        """The common settings, with this model's own in their place.

        If it sets a length (LENGTH_SETTINGS), the common length is dropped; if it sets `loss.classification`,
        so are the common settings that depend on it.
        """
        settings = common.model_dump()
        if self.train.keys() & LENGTH_SETTINGS:
            settings = {key: value for key, value in settings.items() if key not in LENGTH_SETTINGS}
        return Recipe.model_validate({**settings, **self.train, "loss": self.loss_config(loss)})

    def loss_config(self, common: LossConfig) -> LossConfig:
        """The common settings, with this model's own in their place. Raises ValidationError."""
        settings = common.model_dump(exclude_unset=True)
        if "classification" in self.loss:
            settings = {key: value for key, value in settings.items() if key not in CLASSIFICATION_SETTINGS}
        return LossConfig.model_validate({**settings, **self.loss})


class ReportConfig(Settings):
    """`report:`: how the report is made."""

    margin: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="AP. Models whose difference surely is smaller are as good as each other.",
    )
    pictures: int = Field(
        48, ge=0, description="Test pictures on the page at most: those that show the models' errors best."
    )
    megabytes: float = Field(12.0, gt=0, description="Size of all pictures on the page at most.")


class BenchConfig(Settings):
    """A bench.yaml."""

    name: FolderName = Field("bench", description="Begins the run folder's name.")
    data: DataConfig
    models: tuple[ModelConfig, ...] = Field(min_length=1)
    train: Recipe = Recipe()
    loss: LossConfig = Field(LossConfig(), description="Losses against class imbalance, for all models.")
    rare_classes: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None,
        description="Classes whose mean AP is AP_rare. Default: the least frequent that together hold at "
        "most a fifth of the train boxes.",
    )
    search: SearchConfig | None = Field(
        None, description="What `bench search` tries; `bench run` ignores it."
    )
    report: ReportConfig = ReportConfig()
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1)
    device: Annotated[str, AfterValidator(_names_devices)] = Field(
        "auto",
        description="auto, cpu, cuda, cuda:N; cuda:0,1 trains each model on both GPUs, with half of each "
        "batch on each; cpu:2 does so in two processes, for trying it out.",
    )
    jobs: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        1,
        description="Trainings at the same time; devices and CPU threads are divided among them. auto: "
        "one for each GPU; on a CPU, one for each core.",
    )
    gates: bool = Field(
        True,
        description="A model must pass the gates to be ranked; false turns them off, and the report says so.",
    )
    shares: tuple[Annotated[int, Field(ge=1, le=99)], ...] = Field(
        (),
        description="Learning curves: each model and seed is also trained on these percentages of the train "
        "split, and the report says what more data would bring. `bench run --shares` takes 10, 25 and 50.",
    )
    final: Literal["none", "train+val"] = Field(
        "none",
        description="train+val: after the choice on val, train once more on both together, and rank by that.",
    )
    runs: Path = Field(Path("runs"), description="Where run folders go, relative to this file.")
    cache: Path = Field(Path(".bench"), description="Where written datasets go, relative to this file.")

    @property
    def devices(self) -> Devices:
        """`device`, parsed."""
        return Devices.parse(self.device)

    @field_validator("train")
    @classmethod
    def _loss_beside(cls, value: Recipe) -> Recipe:
        if "loss" in value.model_fields_set:
            raise ValueError("`loss` belongs at the level of `train`, not in it")
        return value

    @field_serializer("train", mode="wrap")
    def _train_alone(self, value: Recipe, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        settings: dict[str, Any] = dump(value)
        settings.pop("loss", None)
        return settings

    @model_validator(mode="after")
    def _sound(self) -> "BenchConfig":
        names = [model.name for model in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"models: each needs its own `name`; used twice: {', '.join(twice)}")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: the same seed is given twice")
        if len(set(self.shares)) < len(self.shares):
            raise ValueError("shares: the same share is given twice")
        if self.shares and self.final != "none":
            raise ValueError("shares: a share of train plus all of val is no share; use `final: none`")
        return self


def embedded_default() -> str:
    """The text of the bench.yaml that is used in a folder without one."""
    return resources.files("bench").joinpath("default.yaml").read_text(encoding="utf-8")


Source = str | os.PathLike[str] | Mapping[str, Any] | None
"""A bench.yaml, its content as a mapping, or None: bench.yaml of this folder, else the embedded default."""

Overrides = Sequence[str] | Mapping[str, Any]
"""'a.b=value' with the value in YAML, as --set takes it; or {'a.b': value}."""


def read_config(
    source: Source,
    *,
    overrides: Overrides = (),
    models: Sequence[str] = (),
    seeds: Sequence[int] = (),
) -> BenchConfig:
    """Read, override and check.

    Args:
        source: where the config comes from. Relative paths in a file start from its folder, in a mapping
            from the current one.
        overrides: settings that replace the source's; `models.NAME.x` reaches a model by its name.
        models: names of models in the source, families, or `family:variant`; the source's entry wins.
        seeds: in place of the source's.

    Raises:
        ConfigError: all problems of the config together.
    """
    tree, label, base = _tree(source)
    if isinstance(overrides, Mapping):
        for dotted, value in overrides.items():
            config_tree.assign(tree, dotted, value, shown=f"{dotted}={value}")
        label += f" with overrides of {', '.join(overrides)}" if overrides else ""
    else:
        for setting in overrides:
            config_tree.override(tree, setting)
        label += f" with --set {', --set '.join(overrides)}" if overrides else ""
    if models:
        config_tree.select(tree, models, label)
        label += f" with --models {','.join(models)}"
    if seeds:
        tree["seeds"] = list(seeds)
    return _anchored(check(tree, label), base)


def _tree(source: Source) -> tuple[config_tree.Tree, str, Path]:
    """The parsed source, what messages call it, and the folder from which its relative paths start."""
    if isinstance(source, Mapping):
        return config_tree.copy(source), "the given config", Path.cwd()
    if source is None and Path(CONFIG_NAME).is_file():
        source = CONFIG_NAME
    if source is None:
        label = "the embedded default"
        return config_tree.parse(embedded_default(), label), label, Path.cwd()
    path = Path(source)
    return config_tree.parse(_text(path), str(path)), str(path), path.resolve().parent


def check(tree: Mapping[str, Any], label: str) -> BenchConfig:
    """A config from parsed YAML; `label` is what messages call the file. Raises ConfigError."""
    try:
        config = BenchConfig.model_validate(tree)
        found = _recipe_problems(config)
        if not found:
            return config
    except ValidationError as error:
        found = problems(error, BenchConfig)
    raise ConfigError(
        f"{len(found)} problem{'s' * (len(found) > 1)} in {label}:\n"
        + "\n".join(f"- {problem}" for problem in found)
    )


def _recipe_problems(config: BenchConfig) -> list[BenchError]:
    """What is wrong with the settings of single models."""
    found: list[BenchError] = []
    for model in config.models:
        try:
            model.loss_config(config.loss)
        except ValidationError as error:
            found += problems(error, LossConfig, prefix=f"models.{model.name}.loss.")
            continue
        try:
            model.recipe(config.train, config.loss)
        except ValidationError as error:
            found += problems(error, Recipe, prefix=f"models.{model.name}.train.")
    return found


def json_schema() -> dict[str, Any]:
    """The JSON schema of bench.yaml, for editors."""
    schema = BenchConfig.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["$defs"]["DataConfig"]["properties"]["source"]["enum"] = registry.source_names()
    model = schema["$defs"]["ModelConfig"]
    model["required"] = ["family"]
    model["properties"]["train"] = {"$ref": "#/$defs/Recipe"}
    model["properties"]["loss"] = {"$ref": "#/$defs/LossConfig"}
    del schema["$defs"]["Recipe"]["properties"]["loss"]
    schema["properties"]["models"]["items"] = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/ModelConfig"}]}
    return schema


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("no such file", file=path, hint="write one with: bench init FOLDER") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't be read: {error}", file=path) from None


def _anchored(config: BenchConfig, base: Path) -> BenchConfig:
    """The config with relative paths made absolute from `base`, the folder of the file."""
    data = config.data
    changes: dict[str, Any] = {}
    if data.path is not None:
        changes["path"] = (base / data.path.expanduser()).resolve()
    if isinstance(data.classes, str) and (base / data.classes).is_file():
        changes["classes"] = str((base / data.classes).resolve())
    models = tuple(
        model.model_copy(update={"weights": str((base / model.weights).resolve())})
        if model.weights and (base / model.weights).exists()
        else model
        for model in config.models
    )
    return config.model_copy(
        update={
            "data": data.model_copy(update=changes),
            "models": models,
            "runs": base / config.runs,
            "cache": base / config.cache,
        }
    )
