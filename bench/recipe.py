"""How to train, in one set of words that every detector family understands.

A word left at `None` takes the family's own published value; the resolved recipe, which stands in the
record, has no `None` where the word applies. What a family can't follow is an error, or an entry in the
fairness ledger (`bench.records.LedgerEntry`), never silence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from bench.loss import LossConfig

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Schedule = Literal["constant", "step", "linear", "cosine", "cosine_restarts"]
Part = Literal["backbone", "encoder", "decoder", "all_but_head"]

SMALLEST_SIDE = 32
"""The published backbones shrink a picture 32 times: what is smaller leaves nothing to look at."""


@dataclass(frozen=True)
class InputSize:
    """How large a picture enters a network, in pixels: as large as both limits allow, its shape kept.

    DETR's and torchvision's rule. Where both limits are the same, the long side is what counts.
    """

    short: int
    long: int

    @classmethod
    def of(cls, setting: int | str) -> Self:
        """640 is the long side, '800x1333' the limits of the short and the long one. Raises ValueError."""
        found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", str(setting))
        if not found:
            raise ValueError("say the long side in pixels, or the limits of both sides: 640, 800x1333")
        size = cls(int(found[1]), int(found[2] or found[1]))
        if size.short < SMALLEST_SIDE:
            raise ValueError(f"no side may be under {SMALLEST_SIDE} pixels: the backbones shrink it as often")
        if size.short > size.long:
            raise ValueError(f"the short side comes first: say {size.long}x{size.short}")
        return size

    def fit(self, size_wh: tuple[float, float]) -> tuple[int, int]:
        """Width and height at which a picture of `size_wh` enters; no side is under one pixel."""
        shorter, longer = sorted(size_wh)
        by_short = self.short * longer <= self.long * shorter
        limit, side = (self.short, shorter) if by_short else (self.long, longer)
        width, height = (max(1, round(own * limit / side)) for own in size_wh)
        return width, height

    def scaled(self, share: float) -> Self:
        """Both limits times `share`, not under the smallest side."""
        short, long = (max(SMALLEST_SIDE, round(limit * share)) for limit in (self.short, self.long))
        return type(self)(short, long)

    def __str__(self) -> str:
        return f"long side {self.long}" if self.short == self.long else f"{self.short}x{self.long}"


def _size_word(setting: int | str) -> int | str:
    """As it is said, but 640 for '640'."""
    InputSize.of(setting)
    return int(setting) if str(setting).isdecimal() else setting


Size = Annotated[
    int | str,
    AfterValidator(_size_word),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": SMALLEST_SIDE},
                {"type": "string", "pattern": "^\\d+x\\d+$"},
            ]
        }
    ),
]

LENGTH_SETTINGS = frozenset({"epochs", "budget", "stages"})
"""Each says how long to train; a recipe says it once."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Budget(Settings):
    """A measure of training other than epochs: exactly one of the three."""

    steps: int | None = Field(None, ge=1, description="Optimiser steps.")
    images: int | None = Field(None, ge=1, description="Pictures seen, repeats counted.")
    seconds: Positive | None = Field(None, description="Wall seconds, validation left out.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("steps", "images", "seconds") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a budget is one of steps, pictures and seconds; given: {', '.join(given) or 'none'}"
            )
        return self


class Every(Settings):
    """A distance that is not counted in epochs."""

    steps: int = Field(ge=1, description="Optimiser steps.")


class Stage(Settings):
    """A part of a training with rates and frozen parts of its own. A word left out is the recipe's.

    But where `lr` is named and `backbone_lr` is not, the backbone's rate changes in the same proportion: the
    recipe's relation of the two is kept, in every family.
    """

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


class Recipe(Settings):
    """The training words. Sizes are pixels, rates are per optimiser step."""

    epochs: int = Field(
        50, ge=0, description="Passes over the train split; 0 judges the weights as they come."
    )
    budget: Budget | None = Field(
        None,
        description="In place of epochs: {steps: N}, {images: N} or {seconds: S}.",
    )
    stages: tuple[Stage, ...] = Field(
        (), description="One after the other; `epochs` is then their sum and need not be said."
    )
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        16,
        description="Pictures that go through the network together, 1 or more; auto: as many as fit the "
        "device's memory, found by trial. No rate changes with it.",
    )
    accumulate: int = Field(
        1, ge=1, description="Batches in one optimiser step: batch_size 2, accumulate 16 is a batch of 32."
    )
    image_size: Size | None = Field(
        None,
        description="Network's input in pixels: the long side, or limits of the short and the long one "
        "('800x1333'; '800x800' is 800). Default: the family's own.",
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
    monitor: Literal["AP", "AP50", "AP75", "AR_100", "AP_rare"] = Field(
        "AP", description="The val figure that `patience` watches. The checkpoint is always chosen by AP."
    )
    val_every: Annotated[int, Field(ge=1)] | Every = Field(
        1, description="Epochs between two validations, or {steps: N}. The last epoch ends with one."
    )
    workers: int = Field(0, ge=0, description="Processes that load pictures.")
    loss: LossConfig = Field(LossConfig(), description="In bench.yaml it stands beside `train`, not in it.")

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

    @property
    def input_size(self) -> InputSize:
        """`image_size` of a resolved recipe."""
        assert self.image_size is not None, "plans are resolved"
        return InputSize.of(self.image_size)

    @property
    def batch(self) -> int:
        """`batch_size` of a recipe that is trained by: a cell finds out what 'auto' is before."""
        assert self.batch_size != "auto", "a cell settles it before anything is trained"
        return self.batch_size

    @property
    def trains(self) -> bool:
        """Whether there is anything to train; else the weights are judged as they come."""
        return self.epochs > 0 or self.budget is not None

    def val_after_epoch(self, epochs: int, steps: int) -> bool:
        """Whether a validation is due at the end of an epoch, after so many epochs and optimiser steps."""
        if isinstance(self.val_every, Every):
            return self.val_after_step(steps)
        return epochs % self.val_every == 0

    def val_after_step(self, steps: int) -> bool:
        """Whether one is due in the middle of an epoch, after so many optimiser steps of the training."""
        return isinstance(self.val_every, Every) and steps % self.val_every.steps == 0

    @property
    def long_side(self) -> int | None:
        """For families that know no other: the long side of `image_size`."""
        return None if self.image_size is None else self.input_size.long

    @model_serializer(mode="wrap")
    def _as_said(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A budget stands in place of epochs, also when it is read back."""
        settings: dict[str, Any] = whole(self)
        if self.budget is not None:
            del settings["epochs"]
        return settings


def total_epochs(stages: Sequence[Stage]) -> int:
    """All stages together."""
    return sum(stage.epochs for stage in stages)
