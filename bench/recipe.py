"""How to train, in one set of words that every detector family understands.

A word left at `None` takes the family's own published value; the resolved recipe, which stands in the
record, has no `None` where the word applies. What a family can't follow is an error, or an entry in the
fairness ledger (`bench.records.LedgerEntry`), never silence.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Schedule = Literal["constant", "step", "linear", "cosine", "cosine_restarts"]
Part = Literal["backbone", "encoder", "decoder", "all_but_head"]

LENGTH_WORDS = frozenset({"epochs", "budget", "stages"})
"""Each says how long to train; a recipe says it once."""


class Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Budget(Words):
    """A measure of training other than epochs: exactly one of the three."""

    steps: int | None = Field(None, ge=1, description="Optimiser steps.")
    pictures: int | None = Field(None, ge=1, description="Pictures seen, repeats counted.")
    seconds: Positive | None = Field(None, description="Wall seconds, validation left out.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("steps", "pictures", "seconds") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a budget is one of steps, pictures and seconds; given: {', '.join(given) or 'none'}"
            )
        return self


class Stage(Words):
    """A part of a training with rates and frozen parts of its own. A word left out is the recipe's."""

    epochs: int = Field(ge=1)
    lr: Positive | None = None
    backbone_lr: NotNegative | None = None
    schedule: Schedule | None = Field(None, description="Over this stage alone, from its own peak rate.")
    warmup_epochs: NotNegative | None = Field(
        None, description="Default: the recipe's in the first stage, 0 later."
    )
    freeze: tuple[Part, ...] = Field(
        (), description="What does not learn in this stage; norm statistics rest too."
    )


class Recipe(Words):
    """The training words. Sizes are pixels, rates are per optimiser step."""

    epochs: int = Field(
        50, ge=0, description="Passes over the train split; 0 judges the weights as they come."
    )
    budget: Budget | None = Field(
        None,
        description="In place of epochs: {steps: N}, {pictures: N} or {seconds: S}.",
    )
    stages: tuple[Stage, ...] = Field(
        (), description="One after the other; `epochs` is then their sum and need not be said."
    )
    batch_size: int = Field(16, ge=1, description="Pictures that go through the network together.")
    accumulate: int = Field(
        1, ge=1, description="Batches in one optimiser step: batch_size 2, accumulate 16 is a batch of 32."
    )
    image_size: int | None = Field(
        None, ge=32, description="Long side of the network's input, in pixels. Default: the family's own."
    )
    optimizer: Literal["adamw", "sgd"] | None = Field(None, description="Default: the family's own.")
    lr: Positive | None = Field(None, description="Peak learning rate. Default: the family's own.")
    backbone_lr: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Peak learning rate of the backbone; 0 freezes it. Default: the family's own."
    )
    momentum: Share | None = Field(None, description="SGD's momentum, AdamW's beta1.")
    weight_decay: Annotated[float, Field(ge=0)] | None = Field(None, description="Default: the family's own.")
    decay_norms: bool | None = Field(
        None, description="Whether weight decay reaches norms and biases. Default: the family's own."
    )
    schedule: Schedule | None = Field(
        None, description="Of the learning rate, after warm-up. Default: the family's own."
    )
    restarts: int = Field(3, ge=2, description="Equal cycles of `cosine_restarts`.")
    step_at: tuple[Share, ...] = Field(
        (0.8,), description="Where `step` divides the rate by ten, as shares of the whole training."
    )
    final_lr_share: Share = Field(
        0.01, description="Where `linear` and the cosines end, as a share of the peak rate."
    )
    warmup_epochs: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Epochs of linear warm-up. Default: the family's own."
    )
    clip_norm: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Largest norm of the gradient; 0 clips nothing. Default: the family's own."
    )
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Decay of an average of the weights, which is then judged. YOLO always has its own."
    )
    amp: bool | Literal["bf16", "fp16"] = Field(
        False, description="Mixed precision; true: bfloat16 where the device has it, else float16."
    )
    channels_last: bool = Field(False, description="Memory order of pictures that suits tensor cores.")
    compile: bool = Field(False, description="torch.compile of the network.")
    flip: Share = Field(0.5, description="Probability of a horizontal flip.")
    multi_scale: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Each batch is scaled by a factor drawn from 1-x to 1+x; 0 is one size."
    )
    patience: int = Field(
        0, ge=0, description="Stop after so many validations without a better `monitor`; 0 never stops early."
    )
    monitor: Literal["AP", "AP50", "AP75", "AR_100"] = Field(
        "AP", description="The val figure that `patience` watches. The checkpoint is always chosen by AP."
    )
    val_every: int = Field(1, ge=1, description="Epochs between two validations. The last epoch has one.")
    workers: int = Field(0, ge=0, description="Processes that load pictures.")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        said = self.model_fields_set
        if self.budget is not None and self.stages:
            raise ValueError("budget and stages contradict each other: stages are counted in epochs")
        if self.budget is not None and "epochs" in said:
            raise ValueError("budget and epochs contradict each other: say one of them")
        if self.stages and "epochs" in said and self.epochs != total_epochs(self.stages):
            raise ValueError(
                f"stages add up to {total_epochs(self.stages)} epochs, not {self.epochs}: leave out `epochs`"
            )
        if self.stages and self.epochs != total_epochs(self.stages):
            object.__setattr__(self, "epochs", total_epochs(self.stages))
        return self

    @model_serializer(mode="wrap")
    def _as_said(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A budget stands in place of epochs, also when it is read back."""
        words: dict[str, Any] = whole(self)
        if self.budget is not None:
            del words["epochs"]
        return words


def total_epochs(stages: Sequence[Stage]) -> int:
    """All stages together."""
    return sum(stage.epochs for stage in stages)
