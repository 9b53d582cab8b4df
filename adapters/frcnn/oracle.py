"""A perfect Faster R-CNN, for the gates: backbone, proposals and head are replaced.

torchvision's transform, assignment of targets, box coder, suppression and scaling back are its own.
"""

from typing import Any

import torch
from torch import Tensor

from bench.adapters.loop.oracle import OracleNetwork

SURE = 20.0
"""A logit beside zeros."""

NUDGE = (0.08, -0.06, 0.02, 0.05)
"""Offsets of a proposal's sides from its object's, as shares of the size: there is something to correct."""

_LOSSES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")


class OracleFasterRcnn(OracleNetwork):
    """Encodes the targets against proposals near them, and decodes these codes again."""

    encoded: list[tuple[Tensor, Tensor, Tensor]] | None = None
    """Of each image: proposals, labels, codes. None: no proposals."""

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        originals = [tuple(image.shape[-2:]) for image in images]
        batch, there = self.network.transform(images, targets)
        self.inputs = [
            tensor[:, :height, :width]
            for tensor, (height, width) in zip(batch.tensors, batch.image_sizes, strict=True)
        ]
        if there is not None:
            self.encoded = [self._encode(target) for target in there]
            return dict.fromkeys(_LOSSES, batch.tensors.new_zeros(()))
        found = self._decode(batch.image_sizes)
        return self.network.transform.postprocess(found, batch.image_sizes, originals)

    def _encode(self, target: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Proposals (P, 4), their labels (P,) and codes (P, 4), as a training step has them."""
        heads = self.network.roi_heads
        boxes, labels = target["boxes"], target["labels"]
        size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        proposals = boxes + size * torch.tensor(NUDGE, device=boxes.device)
        matched, assigned = heads.assign_targets_to_proposals([proposals], [boxes], [labels])
        codes = heads.box_coder.encode([boxes[matched[0]]], [proposals])
        return proposals, assigned[0], codes[0]

    def _decode(self, sizes: list[tuple[int, int]]) -> list[dict[str, Tensor]]:
        heads = self.network.roi_heads
        classes = heads.box_predictor.cls_score.out_features
        device = self.inputs[0].device
        empty = torch.zeros(0, 4, device=device)
        encoded = self.encoded or [(empty, empty[:, 0].long(), empty)] * len(sizes)
        labels = torch.cat([part[1] for part in encoded])
        rows = torch.arange(len(labels), device=device)
        logits = torch.zeros(len(labels), classes, device=device)
        logits[rows, labels] = SURE
        codes = torch.zeros(len(labels), classes, 4, device=device)
        codes[rows, labels] = torch.cat([part[2] for part in encoded])
        found = heads.postprocess_detections(logits, codes.flatten(1), [part[0] for part in encoded], sizes)
        return [
            {"boxes": boxes, "scores": scores, "labels": named}
            for boxes, scores, named in zip(*found, strict=True)
        ]
