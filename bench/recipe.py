"""How to train: settings that every detector family understands.

`None` takes the family's own published value. The resolved recipe, kept in the record, has no `None` where
the setting applies. A setting that a family can't follow is an error, or an entry in the ledger
(`bench.records.LedgerEntry`).
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
"""The published backbones have a stride of 32: a smaller image leaves no feature map."""


@dataclass(frozen=True)
class InputSize:
    """The size of a network's input in pixels: as large as both limits allow, with the aspect ratio kept.

    This is DETR's and torchvision's rule. If both limits are equal, they limit the long side.
    """

    short: int
    long: int

    @classmethod
    def of(cls, setting: int | str) -> Self:
        """From 640, the long side, or '800x1333', limits of short and long side. Raises ValueError."""
        found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", str(setting))
        if not found:
            raise ValueError("give the long side in pixels, or the limits of both sides: 640, 800x1333")
        size = cls(int(found[1]), int(found[2] or found[1]))
        if size.short < SMALLEST_SIDE:
            raise ValueError(f"no side may be under {SMALLEST_SIDE} pixels, the stride of the backbones")
        if size.short > size.long:
            raise ValueError(f"the short side comes first: write {size.long}x{size.short}")
        return size

    def fit(self, size_wh: tuple[float, float]) -> tuple[int, int]:
        """Width and height of the input for an image of `size_wh`; no side is under one pixel."""
        shorter, longer = sorted(size_wh)
        by_short = self.short * longer <= self.long * shorter
        limit, side = (self.short, shorter) if by_short else (self.long, longer)
        width, height = (max(1, round(own * limit / side)) for own in size_wh)
        return width, height

    def scaled(self, share: float) -> Self:
        """Both limits times `share`, but at least SMALLEST_SIDE."""
        short, long = (max(SMALLEST_SIDE, round(limit * share)) for limit in (self.short, self.long))
        return type(self)(short, long)

    def __str__(self) -> str:
        return f"long side {self.long}" if self.short == self.long else f"{self.short}x{self.long}"


def _parsed_size(setting: int | str) -> int | str:
    """The setting itself, with 640 for '640'. Raises ValueError."""
    InputSize.of(setting)
    return int(setting) if str(setting).isdecimal() else setting


Size = Annotated[
    int | str,
    AfterValidator(_parsed_size),
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
"""Each sets the length of the training; a recipe uses one of them."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Budget(Settings):
    """The length of a training in something other than epochs: exactly one of the three."""

    steps: int | None = Field(None, ge=1, description="Optimiser steps.")
    images: int | None = Field(None, ge=1, description="Training images, counting repeats.")
    seconds: Positive | None = Field(None, description="Wall seconds, without validation.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("steps", "images", "seconds") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a budget is one of steps, images and seconds; given: {', '.join(given) or 'none'}"
            )
        return self


class Every(Settings):
    """An interval that is not counted in epochs."""

    steps: int = Field(ge=1, description="Optimiser steps.")


class Stage(Settings):
    """A part of a training with its own rates and frozen parts. A setting left out is the recipe's.

    If `lr` is set and `backbone_lr` is not, the backbone's rate keeps its ratio to `lr` in the recipe.
    """

    epochs: int = Field(ge=1)
    lr: Positive | None = None
    backbone_lr: NotNegative | None = None
    schedule: Schedule | None = Field(None, description="Of this stage, from its own peak rate.")
    warmup_epochs: NotNegative | None = Field(
        None, description="Default: the recipe's in the first stage, 0 later."
    )
    freeze: tuple[Part, ...] = Field(
        (), description="Parts that are not trained in this stage; their norm statistics are fixed too."
    )


class Recipe(Settings):
    """Training settings. Sizes are in pixels, rates per optimiser step."""

    epochs: int = Field(
        50, ge=0, description="Passes over the train split; 0 judges the weights without training."
    )
    budget: Budget | None = Field(
        None,
        description="In place of epochs: {steps: N}, {images: N} or {seconds: S}.",
    )
    stages: tuple[Stage, ...] = Field(
        (), description="One after the other; `epochs` is then their sum and can be left out."
    )
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        16,
        description="Images in a batch, 1 or more; auto: as many as fit the device's memory, found by trial. "
        "No rate changes with it.",
    )
    accumulate: int = Field(
        1, ge=1, description="Batches in one optimiser step: batch_size 2, accumulate 16 uses 32 images."
    )
    image_size: Size | None = Field(
        None,
        description="The network's input in pixels: the long side, or limits of the short and the long one "
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
        None, description="Whether weight decay applies to norms and biases. Default: the family's own."
    )
    schedule: Schedule | None = Field(
        None, description="Of the learning rate, after the warm-up. Default: the family's own."
    )
    restarts: int = Field(3, ge=2, description="Number of equal cycles of `cosine_restarts`.")
    step_at: tuple[Share, ...] = Field(
        (0.8,), description="When `step` divides the rate by ten, as shares of the whole training."
    )
    final_lr_share: Share = Field(
        0.01, description="Final rate of `linear` and the cosines, as a share of the peak rate."
    )
    warmup_epochs: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Epochs of linear warm-up. Default: the family's own."
    )
    clip_norm: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Largest norm of the gradient; 0 turns clipping off. Default: the family's own."
    )
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Decay of a moving average of the weights, which is judged. YOLO always has its own.",
    )
    amp: bool | Literal["bf16", "fp16"] = Field(
        False, description="Mixed precision; true: bfloat16 where the device has it, else float16."
    )
    channels_last: bool = Field(False, description="Memory format of images that suits tensor cores.")
    compile: bool = Field(False, description="torch.compile of the network.")
    flip: Share = Field(0.5, description="Probability of a horizontal flip.")
    multi_scale: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Each batch is scaled by a factor drawn from 1-x to 1+x; 0 keeps one size."
    )
    patience: int = Field(
        0,
        ge=0,
        description="Stop after this many validations without a better `monitor`; 0 never stops early.",
    )
    monitor: Literal["AP", "AP50", "AP75", "AR_100", "AP_rare"] = Field(
        "AP", description="The val figure that `patience` watches. The checkpoint is always chosen by AP."
    )
    val_every: Annotated[int, Field(ge=1)] | Every = Field(
        1, description="Epochs between two validations, or {steps: N}. The last epoch always ends with one."
    )
    workers: int = Field(0, ge=0, description="Number of processes that load images.")
    loss: LossConfig = Field(
        LossConfig(), description="In bench.yaml it is at the level of `train`, not in it."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        given = self.model_fields_set
        if self.budget is not None and self.stages:
            raise ValueError("budget and stages exclude each other: stages are counted in epochs")
        if self.budget is not None and "epochs" in given:
            raise ValueError("budget and epochs exclude each other: use one of them")
        if self.stages and "epochs" in given and self.epochs != total_epochs(self.stages):
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
        """`batch_size` as a number: a cell has replaced 'auto' before it trains."""
        assert self.batch_size != "auto", "a cell replaces it before anything is trained"
        return self.batch_size

    @property
    def trains(self) -> bool:
        """Whether there is anything to train; else the weights are judged without training."""
        return self.epochs > 0 or self.budget is not None

    def val_after_epoch(self, epochs: int, steps: int) -> bool:
        """Whether a validation is due at the end of an epoch, after this many epochs and optimiser steps."""
        if isinstance(self.val_every, Every):
            return self.val_after_step(steps)
        return epochs % self.val_every == 0

    def val_after_step(self, steps: int) -> bool:
        """Whether a validation is due within an epoch, after this many optimiser steps of the training."""
        return isinstance(self.val_every, Every) and steps % self.val_every.steps == 0

    @property
    def long_side(self) -> int | None:
        """The long side of `image_size`, for families that limit only this one."""
        return None if self.image_size is None else self.input_size.long

    @model_serializer(mode="wrap")
    def _without_epochs(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `epochs` where there is a budget, so that the result can be read back."""
        settings: dict[str, Any] = serialize(self)
        if self.budget is not None:
            del settings["epochs"]
        return settings


def total_epochs(stages: Sequence[Stage]) -> int:
    """All stages together."""
    return sum(stage.epochs for stage in stages)
