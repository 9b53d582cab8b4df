"""What a run will do, settled before anything is written."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench import registry
from bench.cell.device import check_gpu
from bench.config import BenchConfig, ModelConfig
from bench.detector import Plan
from bench.errors import BenchError, ConfigError, RecipeError
from bench.frequencies import class_weights
from bench.layout import Layout


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
        BenchError: every model that can't be planned, together; or the GPU that is asked for is not there.
    """
    plans: list[tuple[str, Plan]] = []
    problems: list[BenchError] = []
    for model in config.models:
        try:
            plans.append((model.name, plan_model(model, config)))
        except BenchError as error:
            problems.append(error)
    if problems:
        raise _all(problems)
    if config.device.startswith("cuda"):
        check_gpu(config.device, _count_gpus())
    return [
        PlannedCell(name=f"{name}-seed{seed}", model=name, seed=seed, plan=plan)
        for seed in config.seeds
        for name, plan in plans
    ]


def _count_gpus() -> int:
    """Asked of another process: torch takes seconds and hundreds of MiB, and the runner needs none of it."""
    code = "from bench.cell.device import count_gpus; print(count_gpus())"
    asked = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    words = asked.stdout.split()
    if asked.returncode or not words:
        last = (asked.stderr.strip().splitlines() or ["(no words)"])[-1]
        raise ConfigError(f"torch can't be asked for GPUs: {last}", record="device", mend="see bench doctor")
    return int(words[-1])


def check_loss(plans: Iterable[tuple[str, Plan]], layout: Layout) -> None:
    """What only the data can tell of the models' losses: whether their class weights fit its classes.

    Raises ConfigError for every model whose do not, together.
    """
    counts = layout.class_counts("train")
    problems: dict[str, BenchError] = {}
    for name, plan in plans:
        try:
            class_weights(plan.recipe.loss, counts)
        except BenchError as error:
            problems.setdefault(name, type(error)(f"model {name}: {error}"))
    if problems:
        raise _all(list(problems.values()))


def plan_model(model: ModelConfig, config: BenchConfig) -> Plan:
    """One model's plan. Raises BenchError with the model's name."""
    family = registry.family(model.family)
    try:
        plan = family.plan(
            variant=model.variant,
            weights=model.weights,
            options=model.options,
            recipe=model.recipe(config.train, config.loss),
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
