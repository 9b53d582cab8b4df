"""What a search will do, resolved before anything is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import optuna
from optuna.storages import RDBStorage

from bench.config import BenchConfig
from bench.detector import Plan
from bench.errors import BenchError, ConfigError, RecipeError, combined
from bench.layout import Layout
from bench.runner import checks
from bench.runner.create import resolve_rare_classes
from bench.runner.plan import plan_cells, plan_model
from bench.search_config import IMPLIED, SearchConfig
from bench.searching.setting import (
    CHOICE,
    Batching,
    configured_setting,
    final_config,
    model_of,
    plan_corners,
    plan_setting,
)
from bench.searching.space import Setting, Space, space_of
from bench.searching.study import check_identity, open_study

FINAL_SEEDS = 3
"""Of best and standard, where the config names none."""

LR_FACTOR = 4
"""The default space holds learning rates from a quarter of the model's own to four times that: else families
would be compared at their frameworks' defaults."""


@dataclass(frozen=True)
class SearchPlan:
    """A resolved search; mappings are by the model's name."""

    config: BenchConfig
    search: SearchConfig
    spaces: Mapping[str, Space]
    plans: Mapping[str, Plan]
    """Of the config's own settings."""

    @property
    def final_seeds(self) -> tuple[int, ...]:
        return self.search.seeds or ()

    def study(self, model: str) -> str:
        """The study's name in the storage."""
        return f"{self.config.name}-{model}"

    def identity(self, model: str, dataset: str) -> dict[str, Any]:
        """What all workers on the model's study must agree on."""
        plan = self.plans[model]
        found: dict[str, Any] = {
            "dataset": dataset,
            "space": {
                setting: str(parameter) for setting, parameter in self.spaces[model].parameters.items()
            },
            "objectives": list(self.search.objectives),
            "variant": f"{plan.family}:{plan.variant}",
            "options": dict(plan.options),
            "train": plan.recipe.model_dump(mode="json"),
            "seed of the trainings": self.config.seeds[0],
        }
        if plan.weights != "none":  # as in the config: their path differs between machines
            found["weights"] = model_of(self.config, model).weights or "pretrained"
        if "AP_rare" in self.search.objectives and self.config.rare_classes is not None:
            found["rare classes"] = list(self.config.rare_classes)
        return found


def plan_search(config: BenchConfig) -> SearchPlan:
    """Plan every model. Raises BenchError for what can't be planned."""
    plans = {cell.model: cell.plan for cell in plan_cells(config)}
    search = _completed(config.search or SearchConfig(), config, plans)
    config = config.model_copy(update={"search": search})
    spaces = {name: space_of(name, search.parameters, list(plans)) for name in plans}
    return SearchPlan(config=config, search=search, spaces=spaces, plans=plans)


def _completed(search: SearchConfig, config: BenchConfig, plans: Mapping[str, Plan]) -> SearchConfig:
    """With fresh final seeds, and the learning rates in the default space, each around the model's own.

    The default space has the class losses only for models that follow them.
    """
    changes: dict[str, Any] = {}
    if search.seeds is None:
        fresh = (seed for seed in count() if seed != config.seeds[0])
        changes["seeds"] = tuple(islice(fresh, FINAL_SEEDS))
    if "space" not in search.model_fields_set:
        rates = {name: plan.recipe.lr for name, plan in plans.items()}
        changes["space"] = _class_losses_apart(search.space, config, list(plans)) | {
            f"models.{name}.train.lr": {"low": rate / LR_FACTOR, "high": rate * LR_FACTOR, "log": True}
            for name, rate in rates.items()
            if rate is not None
        }
    return search.model_copy(update=changes)


def _class_losses_apart(
    space: Mapping[str, Any], config: BenchConfig, models: Sequence[str]
) -> dict[str, Any]:
    """`space`; if some models refuse other class losses, with these for each of the others by its name."""
    following = [name for name in models if _follows_class_losses(config, name)]
    if len(following) == len(models):
        return dict(space)
    own = {key for key in space if key == CHOICE or CHOICE in IMPLIED.get(key, {})}
    found = {key: values for key, values in space.items() if key not in own}
    return found | {f"models.{name}.{key}": space[key] for name in following for key in space if key in own}


def _follows_class_losses(config: BenchConfig, name: str) -> bool:
    try:
        plan_setting(config, name, {CHOICE: "weighted"})
    except RecipeError:
        return False
    except BenchError:  # of other settings of the config; `check_space` reports it
        pass
    return True


def check_seeds(planned: SearchPlan) -> None:
    """Raises ConfigError where a final training would repeat the seed of the trials: the best trial is the
    best partly because that seed was lucky for it, and would be so again."""
    trial_seed = planned.config.seeds[0]
    if trial_seed in planned.final_seeds:
        raise ConfigError(
            f"the trials train with seed {trial_seed}, the first of `seeds`: final trainings need others",
            record="search.seeds",
            value=list(planned.final_seeds),
            hint="leave search.seeds out for three fresh ones",
        )


def check_space(planned: SearchPlan) -> list[tuple[str, Plan]]:
    """(model, plan) for every corner of every space. Raises one BenchError for all models that refuse a
    corner."""
    found: list[tuple[str, Plan]] = []
    problems: list[BenchError] = []
    for name, space in planned.spaces.items():
        if not space.parameters:
            problems.append(ConfigError(f"has no parameter for {name}", record="search.space"))
            continue
        try:
            found += [(name, plan) for plan in plan_corners(planned.config, name, space)]
        except BenchError as error:
            problems.append(error)
    if problems:
        raise combined(problems)
    _check_final(planned)
    return found


def _check_final(planned: SearchPlan) -> None:
    """Raises ConfigError where the final run can't be planned: too long a name, no `standard` loss."""
    own: dict[str, tuple[Setting, Batching]] = {
        name: ({}, Batching(plan.recipe.batch, plan.recipe.accumulate))
        for name, plan in planned.plans.items()
    }
    final = final_config(planned.config, own, planned.search.seeds or planned.config.seeds)
    try:
        for model in final.models:
            plan_model(model, final)
    except BenchError as error:
        raise ConfigError(
            f"the best setting can't be compared with loss.classification: standard\n{error}",
            record="search",
            hint="options of another loss belong in search.space, with `when`",
        ) from None


def check_data(planned: SearchPlan, corners: list[tuple[str, Plan]], layout: Layout) -> tuple[str, ...]:
    """Check all plans on the data, and return the rare classes.

    Raises ConfigError for class weights or names that do not fit the data, and where val can't measure
    AP_rare.
    """
    checks.check_data(planned.config, corners, layout)
    wanted = "AP_rare" in planned.search.objectives
    return resolve_rare_classes(planned.config, layout, wanted_by="search.objectives" if wanted else None)


def check_studies(planned: SearchPlan, dataset: str, storage: RDBStorage) -> None:
    """Raises ConfigError where the storage has studies of these names from another search."""
    for model in planned.plans:
        check_identity(storage, planned.study(model), planned.identity(model, dataset))


def open_studies(planned: SearchPlan, dataset: str, storage: RDBStorage) -> dict[str, optuna.Study]:
    """The studies by model; missing ones are created. Raises ConfigError for those of another search."""
    return dict(_opened(planned, dataset, storage))


def _opened(planned: SearchPlan, dataset: str, storage: RDBStorage) -> Iterator[tuple[str, optuna.Study]]:
    for name, plan in planned.plans.items():
        space = planned.spaces[name]
        yield (
            name,
            open_study(
                storage,
                planned.study(name),
                planned.search,
                identity=planned.identity(name, dataset),
                first=space.labels(configured_setting(plan, space)),
                epochs=None if plan.recipe.budget else plan.recipe.epochs,
            ),
        )
