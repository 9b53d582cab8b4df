"""Faster R-CNN's second stage with another class loss.

N regions of a batch, C classes. Layers, their names and all but the class loss are torchvision's.
"""

import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss

from bench.adapters.losses.softmax import SoftmaxLoss

Result = tuple[list[dict[str, Tensor]], dict[str, Tensor]]


class WeightedRoIHeads(RoIHeads):  # type: ignore[misc]  # torchvision shows no types
    """torchvision's, with `classification` in place of its cross-entropy."""

    def __init__(self, plain: RoIHeads, classification: SoftmaxLoss) -> None:
        """With the layers and settings of `plain`."""
        matcher, sampler = plain.proposal_matcher, plain.fg_bg_sampler
        super().__init__(
            plain.box_roi_pool,
            plain.box_head,
            plain.box_predictor,
            matcher.high_threshold,
            matcher.low_threshold,
            sampler.batch_size_per_image,
            sampler.positive_fraction,
            plain.box_coder.weights,
            plain.score_thresh,
            plain.nms_thresh,
            plain.detections_per_img,
        )
        self.train(plain.training)
        self.classification = classification

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> Result:
        """As torchvision's: losses in training mode, else detections."""
        if not self.training:
            found: Result = super().forward(features, proposals, image_shapes, targets)
            return found
        proposals, _, labels, regression_targets = self.select_training_samples(proposals, targets)
        regions = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        logits, codes = self.box_predictor(regions)  # (N, C + 1), (N, 4 (C + 1))
        _, box_loss = fastrcnn_loss(logits, codes, labels, regression_targets)
        class_loss = self.classification(logits, torch.cat(labels))
        return [], {"loss_classifier": class_loss, "loss_box_reg": box_loss}
