"""Plans held against the data before anything is written: what would else show hours later."""

from collections.abc import Iterable, Sequence

from bench import registry
from bench.config import BenchConfig
from bench.detector import ChecksPlan, Plan
from bench.errors import BenchError, RecipeError
from bench.frequencies import class_weights
from bench.layout import Example, Layout
from bench.recipe import Recipe
from bench.runner.plan import first_device, refusal


def check_data(config: BenchConfig, plans: Iterable[tuple[str, Plan]], layout: Layout) -> None:
    """`plans`: a model's name and one of its plans each.

    Raises BenchError: every model that can't be trained on this data, or judged with it, together.
    """
    counts = layout.class_counts("train")
    train = layout.examples("train")
    final = config.final == "train+val"
    images = train + layout.examples("val") if final else train
    device = first_device(config)
    problems: dict[str, BenchError] = {}
    for model, plan in plans:
        try:
            class_weights(plan.recipe.loss, counts)
            if plan.recipe.trains:
                _check_step(plan.recipe, len(train))
                _check_format(plan.recipe, device)
            elif final:
                raise _nothing_to_train()
            _ask_family(plan, layout.classes, images, device)
        except BenchError as error:
            problems.setdefault(model, type(error)(f"model {model}: {error}"))
    if problems:
        raise refusal(list(problems.values()))


def _ask_family(plan: Plan, classes: Sequence[str], images: Sequence[Example], device: str) -> None:
    family = registry.family(plan.family)
    if isinstance(family, ChecksPlan):
        family.check(plan, classes=classes, images=images, device=device)


def _check_step(recipe: Recipe, train: int) -> None:
    """Raises RecipeError for a batch or a step that the train split can't fill."""
    batch = 1 if recipe.batch_size == "auto" else recipe.batch_size
    for record, size in (
        ("train.batch_size", batch),
        ("train.batch_size x train.accumulate", batch * recipe.accumulate),
    ):
        if size > train:
            raise RecipeError(
                f"the train split has {train} pictures only",
                record=record,
                value=size,
                hint=f"make it {train} or less",
            )


def _check_format(recipe: Recipe, device: str) -> None:
    """Raises RecipeError for float16 on a CPU: no framework here trains in it there."""
    if recipe.amp == "fp16" and device == "cpu":
        raise RecipeError(
            f"{device} does not train in this number format",
            record="train.amp",
            value=recipe.amp,
            hint="say true, which takes what the device has, or false",
        )


def _nothing_to_train() -> RecipeError:
    return RecipeError(
        "final: train+val trains once more, and epochs: 0 trains nothing",
        record="train.epochs",
        value=0,
        hint="train for at least one epoch, or leave out final",
    )
