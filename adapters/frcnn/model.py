"""Faster R-CNN as the loop trains it. torchvision's class 0 is the background: its labels are ours plus one.

B images in a batch, N boxes in an image, C classes. Boxes are xyxy in pixels of the network's input.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from bench.adapters.frcnn import anchors as fitting
from bench.adapters.frcnn import network as networks
from bench.adapters.frcnn.oracle import OracleFasterRcnn
from bench.adapters.frcnn.roi_heads import WeightedRoIHeads
from bench.adapters.frcnn.variants import VARIANTS, Options
from bench.adapters.loop.oracle import OracleNetwork
from bench.adapters.loop.trainable import Batch, DataAdaptation, RawDetections, Target, Trainable
from bench.adapters.losses.softmax import SoftmaxLoss
from bench.adapters.losses.weights import ExampleWeights
from bench.detector import MAX_DETECTIONS, Plan
from bench.layout import Example
from bench.loss import LossConfig
from bench.recipe import InputSize
from bench.records import LedgerEntry, LossRecord

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]

_UNREPORTED_FACTOR = 10
"""Detections per reported one, where most of the head's classes are not the dataset's."""


class FasterRcnn(Trainable):
    """torchvision's network as a Trainable. Its state_dict is the network's own."""

    def __init__(self, network: FasterRCNN, *, fit_anchors: bool = False, anchor_levels: int = 1) -> None:
        """`fit_anchors`: to the boxes of the coming training. `anchor_levels`: see `Variant`."""
        super().__init__()
        self.network = network
        self.fit_anchors = fit_anchors
        self.anchor_levels = anchor_levels
        self.network.transform = _NoResize(network.transform.size_divisible)

    @property
    def backbone(self) -> nn.Module:
        """ResNet's or MobileNet's own layers; the feature pyramid on top of them counts as new."""
        backbone: nn.Module = self.network.backbone
        body = getattr(backbone, "body", backbone)
        assert isinstance(body, nn.Module)
        return body

    @property
    def parts(self) -> Mapping[str, Sequence[nn.Module]]:
        """The head is the last layers alone, those of classes and boxes. The feature pyramid, the proposal
        network and the layers before the last ones belong to no part."""
        return {"backbone": [self.backbone], "head": [self.network.roi_heads.box_predictor]}

    @property
    def compilable(self) -> Sequence[nn.Module]:
        """All that follows works on another number of regions each time."""
        return [self.network.backbone]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Four components. In evaluation mode too, with the proposals and samples of a training step."""
        targets = [_to_torchvision(target) for target in batch.targets]
        if self.training:
            return dict(self.network(batch.images(), targets))
        # Only these three decide on losses by the flag; batch norm below them stays in evaluation mode.
        asked = (self.network, self.network.rpn, self.network.roi_heads)
        try:
            for module in asked:
                module.training = True
            return dict(self.network(batch.images(), targets))
        finally:
            for module in asked:
                module.training = False

    def detect(self, batch: Batch) -> list[RawDetections]:
        if self.reported_classes is not None:  # unreported classes take places, too
            self.network.roi_heads.detections_per_img = MAX_DETECTIONS * _UNREPORTED_FACTOR
        return [
            RawDetections(found["boxes"], found["scores"], found["labels"] - 1).among(self.reported_classes)
            for found in self.network(batch.images())
        ]

    def oracle(self) -> OracleNetwork:
        return OracleFasterRcnn(self.network)

    def adapt_to_data(self, examples: Sequence[Example], size: InputSize) -> DataAdaptation:
        """Fits the anchors if that is an option and there are enough boxes."""
        if not self.fit_anchors:
            return DataAdaptation()
        generator = self.network.rpn.anchor_generator
        usual = np.concatenate(
            [networks.shapes(level) for level in generator.cell_anchors[: self.anchor_levels]]
        )
        boxes = fitting.shapes_of(examples, size)
        if (different := fitting.different(boxes)) < len(usual):
            why = f"the training boxes have {different} different shapes, fewer than the {len(usual)} anchors"
            return DataAdaptation(notes=(_anchor_note("anchor_sizes and anchor_ratios", why),))
        found = fitting.fitted(boxes, len(usual))
        networks.place(generator, found, self.anchor_levels)
        now, before = fitting.overlap(boxes, found), fitting.overlap(boxes, usual)
        why = (
            f"k-means of {len(boxes)} training boxes: mean IoU with the best anchor {now:.3f}, "
            f"with anchor_sizes and anchor_ratios {before:.3f}"
        )
        used = ", ".join(f"{width:g}x{height:g}" for width, height in found)
        return DataAdaptation({"anchors": found.tolist()}, (_anchor_note(used, why),))

    def set_class_loss(self, settings: LossConfig, counts: Mapping[str, int], images: int) -> LossRecord:
        """Of the box head alone: the proposal network has no classes, and samples evenly."""
        background = 1.0 if settings.background_weight is None else settings.background_weight
        loss = SoftmaxLoss(ExampleWeights.of(settings, counts, background=background), background="first")
        heads = self.network.roi_heads
        self.network.roi_heads = WeightedRoIHeads(heads, loss.to(heads.box_predictor.cls_score.weight.device))
        return loss.record()

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        return self.network.load_state_dict(state_dict, strict=strict, assign=assign)


class _NoResize(GeneralizedRCNNTransform):  # type: ignore[misc]  # torchvision shows no types
    """Normalises and pads; the images have the recipe's size already.

    torchvision's own switch, `_skip_resize`, does nothing in evaluation mode.
    """

    def __init__(self, size_divisible: int) -> None:
        super().__init__(0, 0, IMAGENET_MEAN, IMAGENET_STD, size_divisible=size_divisible)

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


def make(plan: Plan, classes: int) -> FasterRcnn:
    """The network of a plan with random weights, for `classes` classes."""
    options = Options.model_validate(plan.options)
    made = FasterRcnn(
        networks.build(plan, options, classes),
        fit_anchors=options.anchors == "fit",
        anchor_levels=VARIANTS[plan.variant].anchor_levels,
    )
    made.augment = options.augment
    made.loss_weights = _loss_weights(plan.recipe.loss)
    return made


def _loss_weights(settings: LossConfig) -> dict[str, float]:
    """Of the box head's two losses; those of the proposals have a weight of 1."""
    assert settings.class_coefficient is not None and settings.l1_coefficient is not None, (
        "plans are resolved"
    )
    return {"loss_classifier": settings.class_coefficient, "loss_box_reg": settings.l1_coefficient}


def _anchor_note(used: str, why: str) -> LedgerEntry:
    return LedgerEntry(setting="anchors", asked="fit", used=used, why=why)


def _to_torchvision(target: Target) -> dict[str, Tensor]:
    return {"boxes": target.boxes_xyxy, "labels": target.labels + 1}
