"""The variants of Faster R-CNN, and its options."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bench.adapters.loop.augment import Augment
from bench.adapters.weights.published import KNOWN
from bench.detector import SCORE_FLOOR
from bench.recipe import Share

COCO_LONG_SIDE = 1066
"""torchvision resizes the short side to 800; the long side of COCO's usual 4:3 image is then 1066."""

COCO_LONG_SIDE_320 = 427
"""The same for the mobilenet with a short side of 320."""


@dataclass(frozen=True)
class Variant:
    """One network. Stages are those that `trainable_layers` counts, from the top down."""

    about: str
    published: str | None
    image_size: int
    stages: int
    trained_stages: int  # of a pretrained network, by torchvision's default
    anchor_sizes: tuple[int, ...]  # pixels of the network's input; tiny's go with the image size
    proposals: int  # when predicting
    train_proposals: int
    box_samples: int
    rpn_samples: int

    @property
    def anchor_levels(self) -> int:
        """Levels of the pyramid that have anchors of their own; 1: all levels have the same ones."""
        return len(self.anchor_sizes) if self.stages == 5 else 1


_STOCK_ANCHORS = (32, 64, 128, 256, 512)


def _stock(about: str, published: str, *, image_size: int, stages: int, proposals: int = 1000) -> Variant:
    """With the figures of torchvision's FasterRCNN."""
    return Variant(
        about=about,
        published=published,
        image_size=image_size,
        stages=stages,
        trained_stages=3,
        anchor_sizes=_STOCK_ANCHORS,
        proposals=proposals,
        train_proposals=2000,
        box_samples=512,
        rpn_samples=256,
    )


VARIANTS: dict[str, Variant] = {
    "resnet50_fpn": _stock(
        "ResNet-50 with a feature pyramid, 41.8 M parameters; the classic",
        "fasterrcnn_resnet50_fpn",
        image_size=COCO_LONG_SIDE,
        stages=5,
    ),
    "resnet50_fpn_v2": _stock(
        "the same with a deeper head, batch norm in pyramid and head, 43.7 M parameters; the best",
        "fasterrcnn_resnet50_fpn_v2",
        image_size=COCO_LONG_SIDE,
        stages=5,
    ),
    "mobilenet_v3_large_fpn": _stock(
        "MobileNetV3-Large with a feature pyramid, 19.4 M parameters",
        "fasterrcnn_mobilenet_v3_large_fpn",
        image_size=COCO_LONG_SIDE,
        stages=6,
    ),
    "mobilenet_v3_large_320_fpn": _stock(
        "the same network, trained for small pictures",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        image_size=COCO_LONG_SIDE_320,
        stages=6,
        proposals=150,
    ),
    "tiny": Variant(
        about="six convolutions and a small head, for demos and tests; learns from random weights on a CPU",
        published=None,
        image_size=96,
        stages=0,
        trained_stages=0,
        anchor_sizes=(16, 28, 48),
        proposals=100,
        train_proposals=50,
        box_samples=16,
        rpn_samples=32,
    ),
}

COCO_V1_FILE = KNOWN["fasterrcnn_resnet50_fpn"].files[0].path
"""The one file whose frozen batch norm was trained with an epsilon of 0 (torchvision's `overwrite_eps`)."""


def _word_or_shapes(given: Any) -> Any:
    if isinstance(given, str) and given not in ("sizes", "fit"):
        raise ValueError("say sizes, fit, or the widths and heights themselves: [[20, 30], [40, 25], ...]")
    return given


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Shape = tuple[Positive, Positive]
Anchors = Annotated[
    Literal["sizes", "fit"] | Annotated[tuple[Shape, ...], Field(min_length=1)],
    BeforeValidator(_word_or_shapes),
]


class Options(BaseModel):
    """None takes the variant's value; a resolved plan has no None."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    box_nms: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="IoU over which the weaker of two boxes of one class is dropped."
    )
    box_score: Annotated[float, Field(ge=SCORE_FLOOR, lt=1)] = Field(
        SCORE_FLOOR, description="Lowest score of a detection. More than the floor of all families costs AP."
    )
    rpn_nms: Annotated[float, Field(gt=0, le=1)] = Field(0.7, description="The same of two proposed regions.")
    rpn_score: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Lowest score of a region that is classified. torchvision's mobilenets have 0.05."
    )
    norm: Literal["batch", "frozen"] | None = Field(
        None, description="Batch norm of the backbone: trained, or frozen at the statistics of the weights."
    )
    augment: Augment = Field(
        "none", description="paper: DETR's crops and many sizes, beside the recipe's flip."
    )
    trainable_layers: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Backbone stages that are trained, from the top. Default: 3 with weights, else all."
    )
    anchors: Anchors = Field(
        "sizes",
        description="sizes: all anchor_sizes in all anchor_ratios. fit: as many, by k-means of the training "
        "boxes. Or widths and heights in pixels of the network's input, smallest first, as many a level.",
    )
    anchor_sizes: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None, description="Sides of the anchors, in pixels of the network's input, smallest first."
    )
    anchor_ratios: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (0.5, 1.0, 2.0), min_length=1, description="Height by width of the anchors."
    )
    proposals: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Regions that are looked at in a picture (a level of the pyramid), predicting."
    )
    train_proposals: Annotated[int, Field(ge=1)] | None = Field(None, description="The same, training.")
    proposals_before_nms: Count | None = Field(
        None, description="Regions (a level) from which those are chosen, predicting. Default: as many."
    )
    train_proposals_before_nms: Count | None = Field(None, description="The same, training.")
    box_positives: Share = Field(
        0.25, description="Largest share of regions with an object among box_samples."
    )
    rpn_positives: Share = Field(0.5, description="Largest share of anchors on an object among rpn_samples.")
    box_samples: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Regions a picture that the box head learns from in a step."
    )
    rpn_samples: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Anchors a picture that the proposal network learns from in a step."
    )
