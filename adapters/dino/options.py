"""DINO's own settings, and the variants that set them all. Light: planning needs no torch."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.adapters.loop.augment import Augment
from bench.recipe import NotNegative

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class DinoOptions(BaseModel):
    """What is open (None) is the variant's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    depths: tuple[Count, ...] | None = Field(None, description="Blocks in each stage of the ResNet.")
    widths: tuple[Count, ...] | None = Field(None, description="Channels of each stage of the ResNet.")
    block: Literal["basic", "bottleneck"] | None = None
    stem: Count | None = None
    first_stage: Annotated[int, Field(ge=1, le=4)] | None = Field(
        None, description="First stage of the ResNet whose features the encoder gets."
    )
    levels: Count | None = Field(None, description="Feature levels; beyond the ResNet's, by convolutions.")
    norm: Literal["batch", "frozen"] | None = Field(
        None, description="Batch norm of the backbone: trained, or frozen at the statistics of the weights."
    )
    width: Annotated[int, Field(ge=32, multiple_of=32)] | None = None
    heads: Count | None = None
    encoder_layers: Count | None = None
    decoder_layers: Count | None = None
    feedforward: Count | None = None
    queries: Count | None = Field(None, description="Most objects that can be found in one image.")
    dropout: Share = 0.0

    denoising: bool = Field(True, description="Contrastive denoising in training (section 3.4).")
    denoising_pairs: Count = Field(100, description="Pairs of denoising queries in an image, about.")
    label_noise: Annotated[float, Field(ge=0, le=1)] = 0.5
    box_noise: NotNegative = 0.4
    query_selection: Literal["mixed", "pure", "static"] = Field(
        "mixed", description="Where queries start: boxes from the encoder (mixed), all of it, nothing."
    )
    look_forward: Literal["once", "twice"] = "twice"

    class_cost: NotNegative = Field(2.0, description="Of the class in the matching of queries and objects.")
    box_cost: NotNegative = Field(5.0, description="Of the L1 distance of the boxes in the matching.")
    giou_cost: NotNegative = Field(2.0, description="Of the generalised IoU in the matching.")
    class_loss: NotNegative = Field(1.0, description="Weight of the focal loss.")
    box_loss: NotNegative = Field(5.0, description="Weight of the L1 loss of the boxes.")
    giou_loss: NotNegative = Field(2.0, description="Weight of the generalised IoU loss.")
    augment: Augment = Field("none", description="paper: crops and many sizes, as DINO was trained.")

    @model_validator(mode="after")
    def _consistent(self) -> "DinoOptions":
        if self.depths and self.widths and len(self.depths) != len(self.widths):
            raise ValueError("depths and widths need one number a stage each")
        if self.width and self.heads and self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads ({self.heads})")
        for kind in ("cost", "loss"):
            if not any(getattr(self, f"{part}_{kind}") for part in ("class", "box", "giou")):
                raise ValueError(f"class_{kind}, box_{kind} and giou_{kind} can't all be 0")
        return self

    @property
    def stride(self) -> int:
        """Pixels of the input to a cell of the coarsest level."""
        assert self.depths and self.first_stage and self.levels, "options are resolved"
        return int(2 ** (self.first_stage + self.levels))


def _paper(**settings: Any) -> DinoOptions:
    """Zhang et al. 2022, appendix D; the published configurations DINO_4scale.py and DINO_5scale.py."""
    return DinoOptions(
        block="bottleneck",
        stem=64,
        depths=(3, 4, 6, 3),
        widths=(256, 512, 1024, 2048),
        width=256,
        heads=8,
        encoder_layers=6,
        decoder_layers=6,
        feedforward=2048,
        queries=900,
        **settings,
    )


VARIANTS: dict[str, tuple[str, DinoOptions]] = {
    "resnet-50": ("DINO 4-scale with a ResNet-50, 47 million parameters", _paper(first_stage=2, levels=4)),
    "resnet-50-5scale": (
        "DINO 5-scale with a ResNet-50, 47 million parameters",
        _paper(first_stage=1, levels=5),
    ),
    "tiny": (
        "0.6 million parameters; learns the synthetic scenes from random weights",
        DinoOptions(
            block="basic",
            stem=24,
            depths=(1, 1, 1),
            widths=(24, 48, 96),
            first_stage=2,
            levels=2,
            width=64,
            heads=4,
            encoder_layers=2,
            decoder_layers=3,
            feedforward=128,
            queries=20,
            denoising_pairs=20,
        ),
    ),
}
"""Name -> one line about it, and its settings."""
