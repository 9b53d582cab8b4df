"""Faster R-CNN: torchvision's networks, built piece by piece so that nothing is fetched or decided unseen.

Layers have torchvision's names: a state_dict of `torchvision.models.detection.fasterrcnn_*` fits in, and ours
fits into those. torchvision's class 0 is the background, so its labels are ours plus one.

B pictures in a batch, N boxes in a picture, C classes. Boxes are xyxy in pixels of the network's input.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from bench.adapters.frcnn import anchors as fitting
from bench.adapters.frcnn.anchors import Shapes
from bench.adapters.frcnn.heads import SwitchedHeads
from bench.adapters.frcnn.variants import COCO_V1_FILE, VARIANTS, Options
from bench.adapters.loop.echo import Mirror
from bench.adapters.loop.trainable import Batch, Found, Met, Target, Trainable
from bench.adapters.losses.softmax import SoftmaxLoss
from bench.adapters.losses.weighing import Weighing
from bench.detector import MAX_DETECTIONS, Plan
from bench.layout import Example
from bench.loss import LossWords
from bench.recipe import InputSize
from bench.records import LedgerEntry, LossRecord

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]

_MOBILENET_LEVELS = 3  # of its feature pyramid; they share all anchors

_PYRAMID_CHANNELS = [256, 512, 1024, 2048]  # of ResNet-50's four stages
_ROI_SIDE = 7
_HEAD_WIDTH = 1024

_TINY_LAYERS = ((16, 2), (24, 2), (48, 2), (48, 1), (48, 1), (48, 1))  # channels, stride
_TINY_STRIDE = 8
_TINY_ROI_SIDE = 4
_TINY_HEAD_WIDTH = 128

_UNHEARD_ROOM = 10
"""Detections kept for each that counts, where most of the head's classes are not the dataset's."""


class FasterRcnn(Trainable):
    """torchvision's network as the loop wants it. Its state_dict is the network's own, names and all."""

    def __init__(self, network: FasterRCNN, *, fit_anchors: bool = False, anchor_levels: int = 1) -> None:
        """`fit_anchors`: to the boxes of the training that comes. `anchor_levels`: see `Variant`."""
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
        """The head is the last layer alone, the two that name and place a region. The feature pyramid, the
        proposal network and the layers before the last one belong to no part but `all_but_head`."""
        return {"backbone": [self.backbone], "head": [self.network.roi_heads.box_predictor]}

    @property
    def compilable(self) -> Sequence[nn.Module]:
        """All that comes after works on another number of regions each time."""
        return [self.network.backbone]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Four components. In evaluation mode too, with the proposals and samples of a training step."""
        targets = [_to_torchvision(target) for target in batch.targets]
        if self.training:
            return dict(self.network(batch.pictures(), targets))
        # Only these three look at the flag to decide on losses; batch norm below them stays as it is.
        asked = (self.network, self.network.rpn, self.network.roi_heads)
        try:
            for module in asked:
                module.training = True
            return dict(self.network(batch.pictures(), targets))
        finally:
            for module in asked:
                module.training = False

    def detect(self, batch: Batch) -> list[Found]:
        if self.heard is not None:  # places that classes take of which nobody hears
            self.network.roi_heads.detections_per_img = MAX_DETECTIONS * _UNHEARD_ROOM
        return [
            Found(found["boxes"], found["scores"], found["labels"] - 1).among(self.heard)
            for found in self.network(batch.pictures())
        ]

    def mirror(self) -> Mirror:
        from bench.adapters.frcnn.echo import FrcnnMirror

        return FrcnnMirror(self)

    def meet(self, examples: Sequence[Example], size: InputSize) -> Met:
        """Fits the anchors where that is asked for, and where there are boxes enough."""
        if not self.fit_anchors:
            return Met()
        generator = self.network.rpn.anchor_generator
        usual = np.concatenate([_shapes(level) for level in generator.cell_anchors[: self.anchor_levels]])
        boxes = fitting.shapes_of(examples, size)
        if (different := fitting.different(boxes)) < len(usual):
            why = f"the training boxes have {different} different shapes, fewer than the {len(usual)} anchors"
            return Met(notes=(_anchor_note("anchor_sizes and anchor_ratios", why),))
        found = fitting.fitted(boxes, len(usual))
        _place(generator, found, self.anchor_levels)
        now, before = fitting.overlap(boxes, found), fitting.overlap(boxes, usual)
        why = (
            f"k-means of {len(boxes)} training boxes: mean IoU with the best anchor {now:.3f}, "
            f"with anchor_sizes and anchor_ratios {before:.3f}"
        )
        used = ", ".join(f"{width:g}x{height:g}" for width, height in found)
        return Met({"anchors": found.tolist()}, (_anchor_note(used, why),))

    def weigh(self, words: LossWords, counts: Mapping[str, int], pictures: int) -> LossRecord:
        """The box head's classes alone: the proposal network knows none, and draws its samples evenly."""
        background = 1.0 if words.background_weight is None else words.background_weight
        loss = SoftmaxLoss(Weighing.of(words, counts, background=background), background="first")
        heads = self.network.roi_heads
        self.network.roi_heads = SwitchedHeads(heads, loss.to(heads.box_predictor.cls_score.weight.device))
        return loss.record()

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        return self.network.load_state_dict(state_dict, strict=strict, assign=assign)


class _NoResize(GeneralizedRCNNTransform):  # type: ignore[misc]  # torchvision shows no types
    """Normalises and pads; the pictures come at the size that the recipe says.

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
    parts = _tiny_parts(options) if plan.variant == "tiny" else _stock_parts(plan, options)
    network = FasterRCNN(
        rpn_pre_nms_top_n_train=options.train_proposals_before_nms,
        rpn_post_nms_top_n_train=options.train_proposals,
        rpn_pre_nms_top_n_test=options.proposals_before_nms,
        rpn_post_nms_top_n_test=options.proposals,
        rpn_score_thresh=options.rpn_score,
        rpn_nms_thresh=options.rpn_nms,
        rpn_positive_fraction=options.rpn_positives,
        box_positive_fraction=options.box_positives,
        rpn_batch_size_per_image=options.rpn_samples,
        box_batch_size_per_image=options.box_samples,
        box_score_thresh=options.box_score,
        box_nms_thresh=options.box_nms,
        box_detections_per_img=MAX_DETECTIONS,
        box_predictor=FastRCNNPredictor(parts.pop("head_width"), classes + 1),
        **parts,
    )
    made = FasterRcnn(
        network,
        fit_anchors=options.anchors == "fit",
        anchor_levels=VARIANTS[plan.variant].anchor_levels,
    )
    made.augment = options.augment
    made.loss_weights = _loss_weights(plan.recipe.loss)
    return made


def _loss_weights(words: LossWords) -> dict[str, float]:
    """Of the box head's two losses; those of the proposals count as they are."""
    assert words.class_coefficient is not None and words.l1_coefficient is not None, "plans are resolved"
    return {"loss_classifier": words.class_coefficient, "loss_box_reg": words.l1_coefficient}


def _stock_parts(plan: Plan, options: Options) -> dict[str, Any]:
    """Backbone, anchors and heads as torchvision's builder of that name puts them together."""
    backbone = _stock_backbone(plan, options)
    levels = 5 if plan.variant.startswith("resnet50") else _MOBILENET_LEVELS
    anchors = _anchors(options, levels, own=VARIANTS[plan.variant].anchor_levels)
    parts: dict[str, Any] = {
        "backbone": backbone,
        "rpn_anchor_generator": anchors,
        "box_roi_pool": MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=_ROI_SIDE, sampling_ratio=2),
        "head_width": _HEAD_WIDTH,
    }
    if plan.variant == "resnet50_fpn_v2":
        parts["rpn_head"] = RPNHead(
            backbone.out_channels, anchors.num_anchors_per_location()[0], conv_depth=2
        )
        parts["box_head"] = FastRCNNConvFCHead(
            (backbone.out_channels, _ROI_SIDE, _ROI_SIDE), [256] * 4, [_HEAD_WIDTH], norm_layer=nn.BatchNorm2d
        )
    return parts


def _stock_backbone(plan: Plan, options: Options) -> Any:
    """With the norm layers that were decided on; nothing is fetched."""
    v2 = plan.variant == "resnet50_fpn_v2"
    settings: dict[str, Any] = {
        "weights": None,  # never ImageNet's: it would be fetched
        "norm_layer": FrozenBatchNorm2d if options.norm == "frozen" else nn.BatchNorm2d,
        "trainable_layers": options.trainable_layers,
    }
    if not plan.variant.startswith("resnet50"):
        return mobilenet_backbone(backbone_name="mobilenet_v3_large", fpn=True, **settings)
    backbone = resnet_fpn_backbone(backbone_name="resnet50", **settings)
    if v2:
        backbone.fpn = FeaturePyramidNetwork(
            _PYRAMID_CHANNELS, 256, extra_blocks=LastLevelMaxPool(), norm_layer=nn.BatchNorm2d
        )
    if Path(plan.weights).name == COCO_V1_FILE:
        overwrite_eps(backbone, 0.0)
    return backbone


def _tiny_parts(options: Options) -> dict[str, Any]:
    backbone = _TinyBackbone()
    return {
        "backbone": backbone,
        "rpn_anchor_generator": _anchors(options, 1, own=1),
        "box_roi_pool": MultiScaleRoIAlign(["0"], output_size=_TINY_ROI_SIDE, sampling_ratio=1),
        "box_head": TwoMLPHead(backbone.out_channels * _TINY_ROI_SIDE**2, _TINY_HEAD_WIDTH),
        "head_width": _TINY_HEAD_WIDTH,
        "size_divisible": _TINY_STRIDE,
    }


def _anchors(options: Options, levels: int, *, own: int) -> AnchorGenerator:
    """`own` levels have anchors of their own; where it is one, all levels have the same ones."""
    sizes, ratios = options.anchor_sizes, options.anchor_ratios
    assert sizes is not None, "plans are resolved"
    if not isinstance(options.anchors, tuple):
        one_a_level = tuple((size,) for size in sizes) if own > 1 else (sizes,) * levels
        return AnchorGenerator(one_a_level, (ratios,) * levels)
    shapes = np.array(options.anchors)
    generator = AnchorGenerator(
        ((1.0,) * (len(shapes) // own),) * levels, ((1.0,),) * levels
    )  # only their number
    _place(generator, shapes, own)
    return generator


def _place(generator: AnchorGenerator, shapes: Shapes, own: int) -> None:
    """Give the levels these anchors, smallest first."""
    sets = [torch.from_numpy(part).float() for part in np.split(shapes, own)]  # (A, 2) each
    cells = [torch.cat([-part, part], dim=1) / 2 for part in sets]
    generator.cell_anchors = cells if own > 1 else cells * len(generator.cell_anchors)


def _shapes(cell: Tensor) -> Shapes:
    """Anchors (A, 4) xyxy around 0 -> width and height (A, 2)."""
    found: Shapes = (cell[:, 2:] - cell[:, :2]).double().cpu().numpy()
    return found


class _TinyBackbone(nn.Sequential):
    """Six convolutions down to a stride of 8."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        before = 3
        for channels, stride in _TINY_LAYERS:
            layers += [
                nn.Conv2d(before, channels, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
            before = channels
        super().__init__(*layers)
        self.out_channels = before


def _anchor_note(used: str, why: str) -> LedgerEntry:
    return LedgerEntry(word="anchors", asked="fit", used=used, why=why)


def _to_torchvision(target: Target) -> dict[str, Tensor]:
    return {"boxes": target.boxes_xyxy, "labels": target.labels + 1}
