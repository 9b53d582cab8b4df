"""torchvision's Faster R-CNNs, built part by part, so that nothing is downloaded and no default is implicit.

Layers have torchvision's names: a state_dict of `torchvision.models.detection.fasterrcnn_*` fits in, and ours
fits into those. Boxes are xyxy in pixels of the network's input.
"""

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
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from bench.adapters.frcnn.anchors import Shapes
from bench.adapters.frcnn.variants import COCO_V1_FILE, VARIANTS, Options
from bench.detector import MAX_DETECTIONS, Plan

_MOBILENET_LEVELS = 3  # of its feature pyramid; they share all anchors

_PYRAMID_CHANNELS = [256, 512, 1024, 2048]  # of ResNet-50's four stages
_ROI_SIDE = 7
_HEAD_WIDTH = 1024

_TINY_LAYERS = ((16, 2), (24, 2), (48, 2), (48, 1), (48, 1), (48, 1))  # channels, stride
_TINY_STRIDE = 8
_TINY_ROI_SIDE = 4
_TINY_HEAD_WIDTH = 128


def build(plan: Plan, options: Options, classes: int) -> FasterRCNN:
    """The network of a plan with random weights, for `classes` classes beside the background."""
    parts = _tiny_parts(options) if plan.variant == "tiny" else _stock_parts(plan, options)
    return FasterRCNN(
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


def _stock_parts(plan: Plan, options: Options) -> dict[str, Any]:
    """Backbone, anchors and heads as in torchvision's builder of that name."""
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
    """With the resolved norm layers; nothing is downloaded."""
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
    """`own` levels have their own anchors; 1: all levels have the same ones."""
    sizes, ratios = options.anchor_sizes, options.anchor_ratios
    assert sizes is not None, "plans are resolved"
    if not isinstance(options.anchors, tuple):
        one_a_level = tuple((size,) for size in sizes) if own > 1 else (sizes,) * levels
        return AnchorGenerator(one_a_level, (ratios,) * levels)
    given = np.array(options.anchors)
    generator = AnchorGenerator(
        ((1.0,) * (len(given) // own),) * levels, ((1.0,),) * levels
    )  # only their number
    place(generator, given, own)
    return generator


def place(generator: AnchorGenerator, anchors: Shapes, own: int) -> None:
    """Give the levels these anchors, smallest first."""
    sets = [torch.from_numpy(part).float() for part in np.split(anchors, own)]  # (A, 2) each
    cells = [torch.cat([-part, part], dim=1) / 2 for part in sets]
    generator.cell_anchors = cells if own > 1 else cells * len(generator.cell_anchors)


def shapes(cell: Tensor) -> Shapes:
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
