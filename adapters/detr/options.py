"""DETR's options, and those of each variant."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.adapters.loop.augment import Augment
from bench.errors import ConfigError
from bench.recipe import NotNegative

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Backbone(BaseModel):
    """A ResNet, used up to its last stage: stem of stride 4, then stages, each but the first of stride 2."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: Literal["basic", "bottleneck"]
    stem: Count = 64
    depths: tuple[Count, ...]
    widths: tuple[Count, ...]

    @model_validator(mode="after")
    def _paired(self) -> "Backbone":
        if len(self.depths) != len(self.widths):
            raise ValueError("depths and widths need one number a stage each")
        return self


class DetrOptions(BaseModel):
    """None takes the value of the variant, or of the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    backbone: Backbone | None = None
    norm: Literal["batch", "frozen"] | None = Field(
        None, description="Batch norm of the backbone: trained, or frozen at the statistics of the weights."
    )
    width: Count | None = None
    heads: Count | None = None
    encoder_layers: Count | None = None
    decoder_layers: Count | None = None
    feedforward: Count | None = None
    queries: Count | None = Field(None, description="Most objects that can be found in one picture.")
    dropout: Share | None = None
    no_object_weight: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Of queries without an object in the classification loss."
    )

    focal: Literal["softmax", "sigmoid"] | None = Field(
        None,
        description="How classes are scored: softmax (default), or, with a focal classification, sigmoid, "
        "one a class as Deformable DETR's.",
    )

    class_cost: NotNegative = Field(1.0, description="Of the class in the matching of queries and objects.")
    box_cost: NotNegative = Field(5.0, description="Of the L1 distance of the boxes in the matching.")
    giou_cost: NotNegative = Field(2.0, description="Of the generalised IoU in the matching.")
    class_loss: NotNegative = Field(1.0, description="Weight of the classification loss.")
    box_loss: NotNegative = Field(5.0, description="Weight of the L1 loss of the boxes.")
    giou_loss: NotNegative = Field(2.0, description="Weight of the generalised IoU loss.")
    auxiliary_loss: bool = Field(
        True, description="Losses after every layer of the decoder, not its last alone."
    )
    augment: Augment = Field(
        "none", description="paper: crops and many sizes, as DETR was trained, beside the recipe's flip."
    )
    backbone_weights: str = Field(
        "none", description="With weights: backbone, a local file or folder in place of the published one."
    )

    @model_validator(mode="after")
    def _something_counts(self) -> "DetrOptions":
        for kind in ("cost", "loss"):
            if not any(getattr(self, f"{part}_{kind}") for part in ("class", "box", "giou")):
                raise ValueError(f"class_{kind}, box_{kind} and giou_{kind} can't all be 0")
        return self

    @property
    def stride(self) -> int:
        """Pixels of the input per cell of the backbone's last features, along a side."""
        assert self.backbone is not None, "options are resolved"
        return int(2 ** (len(self.backbone.depths) + 1))

    def filled(self, architecture: "DetrOptions") -> "DetrOptions":
        """None replaced by the values of `architecture`."""
        own = {setting: value for setting, value in self if value is not None}
        return architecture.model_copy(update=own)


LOSS = ("class_cost", "box_cost", "giou_cost", "class_loss", "box_loss", "giou_loss", "auxiliary_loss")
FREE = ("norm", "dropout", "no_object_weight", "focal", *LOSS, "augment", "backbone_weights")
"""Options that no tensor's shape depends on: they may differ from those of the weights."""


def fitted(options: DetrOptions, architecture: DetrOptions, weights: str) -> DetrOptions:
    """None replaced by the values that `weights` were trained with.

    Raises ConfigError where an option contradicts them.
    """
    for setting, value in options:
        if value is not None and setting not in FREE and value != getattr(architecture, setting):
            raise ConfigError(
                f"the weights {weights} were trained with {getattr(architecture, setting)}",
                record=f"options.{setting}",
                value=value,
                hint="leave it out, or say weights: none",
            )
    return options.filled(architecture)


_DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def resnet(depth: int) -> Backbone:
    """He et al. 2016, table 1."""
    basic = depth < 50
    return Backbone(
        layer="basic" if basic else "bottleneck",
        depths=_DEPTHS[depth],
        widths=(64, 128, 256, 512) if basic else (256, 512, 1024, 2048),
    )


def resnet_name(backbone: Backbone | None) -> str | None:
    """'resnet50' for that one; None where no published ResNet has these layers."""
    return next((f"resnet{depth}" for depth in _DEPTHS if resnet(depth) == backbone), None)


def _paper(backbone: Backbone) -> DetrOptions:
    """Carion et al. 2020, section 4 and appendix A.4; transformers' defaults are the same."""
    return DetrOptions(
        backbone=backbone,
        width=256,
        heads=8,
        encoder_layers=6,
        decoder_layers=6,
        feedforward=2048,
        queries=100,
        dropout=0.1,
        no_object_weight=0.1,
    )


PAPER = _paper(resnet(50))

ARCHITECTURES: dict[str, DetrOptions] = {
    "resnet-50": PAPER,
    "resnet-101": _paper(resnet(101)),
    # Features of stride 16: 6 x 6 cells in an image of 96 pixels.
    "tiny": DetrOptions(
        backbone=Backbone(layer="basic", stem=24, depths=(1, 1, 1), widths=(24, 48, 96)),
        width=96,
        heads=4,
        encoder_layers=2,
        decoder_layers=3,
        feedforward=192,
        queries=6,
        dropout=0.0,
        no_object_weight=0.1,
    ),
}
