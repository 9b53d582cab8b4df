"""The options of an architecture, and transformers' config that follows from them. No torch."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.adapters.loop.augment import Augment
from bench.adapters.transformers_detr.architecture import Architecture
from bench.recipe import NotNegative

COSTS = ("class", "box", "giou")


class QueryOptions(BaseModel):
    """None takes the value of the variant, or of the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    config: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Settings of transformers' config that differ from the variant's, by their names there.",
    )
    queries: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Most objects that can be found in one image."
    )
    denoising: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Denoising queries in training; 0 turns them off."
    )
    norm: Literal["batch", "frozen"] | None = Field(
        None, description="Batch norm of the backbone: trained, or frozen at the statistics of the weights."
    )
    class_cost: NotNegative | None = Field(None, description="Of the class in the matching.")
    box_cost: NotNegative | None = Field(None, description="Of the L1 distance of the boxes in the matching.")
    giou_cost: NotNegative | None = Field(None, description="Of the generalised IoU in the matching.")
    class_loss: NotNegative | None = Field(None, description="Weight of the classification loss.")
    box_loss: NotNegative | None = Field(None, description="Weight of the L1 loss of the boxes.")
    giou_loss: NotNegative | None = Field(None, description="Weight of the generalised IoU loss.")
    augment: Augment = Field("none", description="paper: DETR's crops and many sizes.")

    @model_validator(mode="after")
    def _something_counts(self) -> "QueryOptions":
        for kind in ("cost", "loss"):
            if not any(getattr(self, f"{part}_{kind}") != 0 for part in COSTS):
                raise ValueError(f"class_{kind}, box_{kind} and giou_{kind} can't all be 0")
        return self

    def resolved(self, architecture: Architecture, config: Mapping[str, Any]) -> "QueryOptions":
        """With every option but `norm` set; `config` is the variant's or the weights'."""
        full = merged(config, self.config)
        values: dict[str, Any] = {"config": full}
        for part in COSTS:
            values[f"{part}_cost"] = architecture.default_costs[part]
            values[f"{part}_loss"] = architecture.loss_weights[part]
        values["queries"] = full.get(architecture.queries[0], architecture.default_queries)
        if architecture.denoising is not None:
            values["denoising"] = full.get(architecture.denoising, architecture.default_denoising)
        given = {name: value for name, value in self if value is not None and name != "config"}
        return self.model_copy(update={**values, **given})


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the settings of `over`; nested configs are merged too."""
    found = dict(base)
    for name, value in over.items():
        own = found.get(name)
        found[name] = merged(own, value) if isinstance(own, Mapping) and isinstance(value, Mapping) else value
    return found
