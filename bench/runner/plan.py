"""What a run will do, resolved before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench import registry
from bench.config import BenchConfig, ModelConfig
from bench.detector import Plan
from bench.devices import Devices, count_gpus_apart
from bench.errors import BenchError, ConfigError, RecipeError
from bench.feasibility import check_shares
from bench.jobs import slots
from bench.records import LedgerEntry


@dataclass(frozen=True)
class PlannedCell:
    """A cell before it is created."""

    model: str
    seed: int
    plan: Plan
    share: int | None = None
    """Percent of the train split that it trains on; None: all of it."""

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.model}-seed{self.seed}" + (f"-share{self.share}" if self.share else "")


def plan_cells(config: BenchConfig) -> list[PlannedCell]:
    """Every model x seed, seeds outermost: after the first seed, all models can be compared.

    Cells on a share of the train split come after those on all of it, large shares first.

    Raises:
        BenchError: one for all models that can't be planned; or the GPU that is asked for does not exist.
    """
    cells = len(config.models) * len(config.seeds) * (1 + len(config.shares))
    places = slots(config.devices, config.jobs, cells)
    each = Devices.parse(places[0].device)
    plans: list[tuple[str, Plan]] = []
    problems: list[BenchError] = []
    for model in config.models:
        try:
            plans.append((model.name, plan_model(model, config, each)))
        except BenchError as error:
            problems.append(error)
    if problems:
        raise refusal(problems)
    config.devices.resolve(count_gpus_apart)
    return [
        PlannedCell(model=name, seed=seed, plan=plan, share=share)
        for share in (None, *sorted(config.shares, reverse=True))
        for seed in config.seeds
        for name, plan in plans
    ]


def first_device(config: BenchConfig) -> str:
    """The single device that a detector is built on: 'cpu' or 'cuda:N'."""
    return config.devices.resolve(count_gpus_apart)[0]


def plan_model(model: ModelConfig, config: BenchConfig, devices: Devices | None = None) -> Plan:
    """One model's plan, for one training on `devices`, by default all that the config names.

    Raises BenchError with the model's name.
    """
    family = registry.family(model.family)
    try:
        plan = family.plan(
            variant=model.variant,
            weights=model.weights,
            options=model.options,
            recipe=model.recipe(config.train, config.loss),
        )
        if not plan.recipe.trains and plan.weights == "none":
            raise RecipeError(
                "epochs: 0 evaluates weights without training, and random ones know nothing",
                record="train.epochs",
                value=0,
                hint="use weights: pretrained or a path, or train for at least one epoch",
            )
        return _shared(plan, devices or config.devices)
    except BenchError as error:
        raise type(error)(f"model {model.name}: {error}") from None


def _shared(plan: Plan, devices: Devices) -> Plan:
    """The plan, with a ledger entry where several devices share its batches. Raises where they can't."""
    if devices.count == 1 or not plan.recipe.trains:
        return plan
    if not getattr(registry.family(plan.family), "several_devices", False):
        raise ConfigError(
            f"{plan.family} trains on one device",
            record="device",
            value=str(devices),
            hint="name one",
        )
    check_shares(plan.recipe, devices.count)
    size = plan.recipe.batch
    entry = LedgerEntry(
        setting="batch_size",
        asked=str(size),
        used=f"{size // devices.count} on each of {devices.count} devices",
        why="device names several; what batch norm learns from is the share of one",
    )
    return replace(plan, ledger=(*plan.ledger, entry))


def refusal(problems: Sequence[BenchError]) -> BenchError:
    """One error for all problems of a run; each names its model."""
    if len(problems) == 1:
        return problems[0]
    lines = "\n".join(f"- {problem}" for problem in problems)
    return ConfigError(f"{len(problems)} models can't be run as asked:\n{lines}")
