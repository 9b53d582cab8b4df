"""What a run will do, settled before anything is written."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench import registry
from bench.cell.device import check_gpus, check_shares, hints_of_gpu, how_many
from bench.config import BenchConfig, ModelConfig
from bench.detector import Plan
from bench.errors import BenchError, ConfigError, RecipeError
from bench.records import LedgerEntry


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
        raise refusal(problems)
    if config.device.startswith("cuda"):
        check_gpus(config.device, _count_gpus())
    return [
        PlannedCell(name=f"{name}-seed{seed}", model=name, seed=seed, plan=plan)
        for seed in config.seeds
        for name, plan in plans
    ]


def first_device(config: BenchConfig) -> str:
    """What a detector will be told: 'cpu' or 'cuda:N'."""
    kind, _, which = config.device.partition(":")
    if kind == "auto":
        return "cuda:0" if hints_of_gpu() and _count_gpus() else "cpu"
    return kind if kind == "cpu" else f"cuda:{which.split(',')[0] or 0}"


def _count_gpus() -> int:
    """Asked of another process: torch takes seconds and hundreds of MiB, and the runner needs none of it."""
    code = "from bench.cell.device import count_gpus; print(count_gpus())"
    asked = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    settings = asked.stdout.split()
    if asked.returncode or not settings:
        last = (asked.stderr.strip().splitlines() or ["(no words)"])[-1]
        raise ConfigError(f"torch can't be asked for GPUs: {last}", record="device", hint="see bench doctor")
    return int(settings[-1])


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
                hint="say weights: pretrained or a path, or train for at least one epoch",
            )
        return _shared(plan, config.device)
    except BenchError as error:
        raise type(error)(f"model {model.name}: {error}") from None


def _shared(plan: Plan, device: str) -> Plan:
    """The plan, with a word about its batches where several devices train it. Raises as it can't be."""
    devices = how_many(device)
    if devices == 1 or not plan.recipe.trains:
        return plan
    if not getattr(registry.family(plan.family), "several_devices", False):
        raise ConfigError(
            f"{plan.family} trains on one device", record="device", value=device, hint="name one alone"
        )
    check_shares(plan.recipe, devices)
    size = plan.recipe.batch
    entry = LedgerEntry(
        setting="batch_size",
        asked=str(size),
        used=f"{size // devices} on each of {devices} devices",
        why="device names several; what batch norm learns from is the share of one",
    )
    return replace(plan, ledger=(*plan.ledger, entry))


def refusal(problems: Sequence[BenchError]) -> BenchError:
    """One error for all that stands against a run; each problem names its model."""
    if len(problems) == 1:
        return problems[0]
    lines = "\n".join(f"- {problem}" for problem in problems)
    return ConfigError(f"{len(problems)} models can't be run as asked:\n{lines}")
