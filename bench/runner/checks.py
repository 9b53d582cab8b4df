"""Check plans on the data before anything is written: otherwise these errors would come hours later."""

from collections.abc import Iterable, Sequence

from bench import registry
from bench.config import BenchConfig
from bench.detector import ChecksPlan, Plan
from bench.errors import BenchError, RecipeError
from bench.feasibility import check_batch, check_number_format
from bench.frequencies import class_weights
from bench.layout import Example, Layout
from bench.runner.plan import first_device, refusal


def check_data(config: BenchConfig, plans: Iterable[tuple[str, Plan]], layout: Layout) -> None:
    """`plans`: pairs of a model's name and one of its plans.

    Raises one BenchError for all models that can't be trained or evaluated on this data.
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
                check_batch(plan.recipe, len(train))
                check_number_format(plan.recipe, device)
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


def _nothing_to_train() -> RecipeError:
    return RecipeError(
        "final: train+val needs a training, and epochs: 0 trains nothing",
        record="train.epochs",
        value=0,
        hint="train for at least one epoch, or leave out final",
    )
