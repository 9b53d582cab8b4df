"""How to train, in one set of words that every detector family understands.

A word left at `None` takes the family's own published value; the resolved recipe, which stands in the
record, has no `None` where the word applies. What a family can't follow is an error, or an entry in the
fairness ledger (`bench.records.LedgerEntry`), never silence.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Recipe(BaseModel):
    """The training words. Sizes are pixels, rates are per optimiser step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(50, ge=0, description="Passes over the train split.")
    batch_size: int = Field(16, ge=1, description="Pictures in one optimiser step.")
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
    schedule: Literal["constant", "step", "cosine"] | None = Field(
        None, description="Of the learning rate, after warm-up. Default: the family's own."
    )
    step_at: tuple[Share, ...] = Field(
        (0.8,), description="Where `step` divides the rate by ten, as shares of the whole training."
    )
    final_lr_share: Share = Field(0.01, description="Where `cosine` ends, as a share of the peak rate.")
    warmup_epochs: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Epochs of linear warm-up. Default: the family's own."
    )
    clip_norm: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Largest norm of the gradient; 0 clips nothing. Default: the family's own."
    )
    amp: bool = Field(False, description="Mixed precision on a GPU (bfloat16 where the GPU has it).")
    flip: Share = Field(0.5, description="Probability of a horizontal flip.")
    multi_scale: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Each batch is scaled by a factor drawn from 1-x to 1+x; 0 is one size."
    )
    patience: int = Field(
        0, ge=0, description="Stop after so many validations without a better val mAP; 0 never stops early."
    )
    val_every: int = Field(1, ge=1, description="Epochs between two validations. The last epoch has one.")
    workers: int = Field(0, ge=0, description="Processes that load pictures.")
