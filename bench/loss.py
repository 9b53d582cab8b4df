"""`loss:` in bench.yaml: losses against class imbalance, with the same settings for every detector.

docs/losses.md has the formulas for each detector's head.
"""

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Classification = Literal["standard", "weighted", "focal", "weighted_focal"]
Scheme = Literal["none", "inverse_frequency", "inverse_sqrt", "effective_number", "hard"]
Coefficient = Annotated[float, Field(ge=0, allow_inf_nan=False)]

CLASSIFICATION_SETTINGS = frozenset(
    {"classification", "focal_gamma", "focal_alpha", "class_weights", "effective_beta", "hard_classes"}
)
"""Settings that have an effect with some choices of `classification` only."""


class LossConfig(BaseModel):
    """How errors are weighted. None takes the family's own published value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classification: Classification = Field(
        "standard",
        description="standard: the family's own; weighted: rare classes weigh more; focal: easy examples "
        "weigh less.",
    )
    focal_gamma: Coefficient | None = Field(
        None,
        description="Exponent that lowers the weight of easy examples; 0 has no effect. Default if focal: 2.",
    )
    focal_alpha: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Weight of objects against background, 0.5 being equal. Default: equal."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of each target that is spread over all classes; only for softmax heads."
    )
    class_weights: Scheme | dict[str, float] | None = Field(
        None,
        description="A scheme that uses the train split's box counts, or a table by class name. Default if "
        "weighted: inverse_frequency.",
    )
    effective_beta: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="beta of effective_number (Cui et al. 2019). Default: 0.999."
    )
    hard_classes: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="For `hard`: this many of the most frequent classes get a weight, others 1. Default: 1.",
    )
    background_weight: Coefficient | None = Field(
        None,
        description="Weight of examples without an object (eos coefficient). Default: DETR 0.1, else 1.",
    )
    class_coefficient: Coefficient | None = Field(None, description="Weight of the class loss.")
    l1_coefficient: Coefficient | None = Field(None, description="Weight of the L1 loss of boxes.")
    iou_coefficient: Coefficient | None = Field(None, description="Weight of the IoU loss of boxes.")
    class_cost: Coefficient | None = Field(None, description="Weight of the class in DETR's matching.")
    l1_cost: Coefficient | None = Field(None, description="Weight of the L1 distance in DETR's matching.")
    iou_cost: Coefficient | None = Field(None, description="Weight of the IoU in DETR's matching.")
    normalise: bool = Field(
        True,
        description="Scale the class loss to that of `standard` at the start; false: the textbook formula.",
    )

    @field_validator("class_weights")
    @classmethod
    def _weights(cls, value: str | dict[str, float] | None) -> str | dict[str, float] | None:
        if isinstance(value, dict):
            wrong = {name: weight for name, weight in value.items() if not _is_weight(weight)}
            if wrong:
                raise ValueError(f"a weight is a finite number, 0 or more; found {wrong}")
            if not any(value.values()):
                raise ValueError("all weights are 0: no class would be learned")
        return value

    @model_validator(mode="after")
    def _meant(self) -> Self:
        """A setting without effect is an error: comparing its values would compare nothing."""
        weighted, focal = self.weighted, self.focal
        idle = [
            (not focal and self.focal_gamma is not None, "focal_gamma", "focal or weighted_focal"),
            (not focal and self.focal_alpha is not None, "focal_alpha", "focal or weighted_focal"),
            (
                not weighted and self.class_weights not in (None, "none"),
                "class_weights",
                "weighted or weighted_focal",
            ),
        ]
        for is_idle, setting, kinds in idle:
            if is_idle:
                raise ValueError(
                    f"{setting} has no effect with classification: {self.classification}; say {kinds}"
                )
        if weighted and self.class_weights == "none":
            raise ValueError(
                f"classification: {self.classification} and class_weights: none contradict each other"
            )
        if self.effective_beta is not None and self.scheme != "effective_number":
            raise ValueError("effective_beta has no effect without class_weights: effective_number")
        if self.hard_classes is not None and self.scheme != "hard":
            raise ValueError("hard_classes has no effect without class_weights: hard")
        return self

    @property
    def weighted(self) -> bool:
        return self.classification in ("weighted", "weighted_focal")

    @property
    def focal(self) -> bool:
        return self.classification in ("focal", "weighted_focal")

    @property
    def gamma(self) -> float:
        """The exponent in use; 0 if the loss is not focal."""
        if not self.focal:
            return 0.0
        return 2.0 if self.focal_gamma is None else self.focal_gamma

    @property
    def scheme(self) -> Scheme | dict[str, float]:
        """The scheme in use, or the table."""
        if not self.weighted or self.class_weights is None:
            return "inverse_frequency" if self.weighted else "none"
        return self.class_weights

    @property
    def changes_classification(self) -> bool:
        """Whether the class loss or its background weight differs from the family's own."""
        return (
            self.classification != "standard"
            or self.label_smoothing > 0
            or self.background_weight is not None
        )


def _is_weight(value: float) -> bool:
    return math.isfinite(value) and value >= 0
