"""What a run will do, settled before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench import registry
from bench.config import BenchConfig, ModelConfig
from bench.detector import Plan
from bench.errors import BenchError, ConfigError, RecipeError


@dataclass(frozen=True)
class PlannedCell:
    """One cell to be: its folder's name, the model's name, the seed and the plan."""

    name: str
    model: str
    seed: int
    plan: Plan


def plan_cells(config: BenchConfig) -> list[PlannedCell]:
    """Every model x seed, seeds outermost: after the first seed, all models can be compared.

    Raises:
        BenchError: every model that can't be planned, together.
    """
    plans: list[tuple[str, Plan]] = []
    problems: list[BenchError] = []
    for model in config.models:
        try:
            plans.append((model.name, _plan(model, config)))
        except BenchError as error:
            problems.append(error)
    if problems:
        raise _all(problems)
    return [
        PlannedCell(name=f"{name}-seed{seed}", model=name, seed=seed, plan=plan)
        for seed in config.seeds
        for name, plan in plans
    ]


def _plan(model: ModelConfig, config: BenchConfig) -> Plan:
    family = registry.family(model.family)
    try:
        plan = family.plan(
            variant=model.variant,
            weights=model.weights,
            options=model.options,
            recipe=model.recipe(config.train),
        )
        if plan.recipe.epochs == 0 and plan.weights == "none":
            raise RecipeError(
                "epochs: 0 judges weights as they come, and random ones know nothing",
                record="train.epochs",
                value=0,
                mend="say weights: pretrained or a path, or train for at least one epoch",
            )
        return plan
    except BenchError as error:
        raise type(error)(f"model {model.name}: {error}") from None


def _all(problems: Sequence[BenchError]) -> BenchError:
    if len(problems) == 1:
        return problems[0]
    lines = "\n".join(f"- {problem}" for problem in problems)
    return ConfigError(f"{len(problems)} models can't be run as asked:\n{lines}")
