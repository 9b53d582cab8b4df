"""Faster R-CNN as the gates see it: backbone, proposals and head are replaced, all around them is its own.

torchvision's own transform, assignment of targets, box coder, suppression and way back are run.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.adapters.loop.round_trip import StandIn, in_place_of
from bench.adapters.loop.trainable import Batch, RawDetections

if TYPE_CHECKING:
    from bench.adapters.frcnn.model import FasterRcnn

SURE = 20.0
"""A logit beside zeros."""

NUDGE = (0.08, -0.06, 0.02, 0.05)
"""How far a proposal's sides lie from its object's, as shares of its size: there is something to correct."""

_LOSSES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")


class FrcnnProbe:
    """See bench.adapters.loop.round_trip."""

    def __init__(self, trainable: "FasterRcnn") -> None:
        self._trainable = trainable
        self._perfect = _Perfect(trainable.network)

    def network_inputs(self, batch: Batch, *, training: bool) -> list[Tensor]:
        with in_place_of(self._trainable, "network", self._perfect):
            self._trainable.train(training)
            if training:
                self._trainable(batch)
            else:
                self._perfect.learn_nothing()
                self._trainable.detect(batch)
        return self._perfect.inputs

    def round_trip(self, batch: Batch) -> list[RawDetections]:
        with in_place_of(self._trainable, "network", self._perfect):
            self._trainable.train()
            self._trainable(batch)
            self._trainable.eval()
            return self._trainable.detect(batch)


class _Perfect(StandIn):
    """Encodes targets against proposals near them, and decodes its own codes again."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.inputs: list[Tensor] = []
        self.learn_nothing()

    def learn_nothing(self) -> None:
        """No proposals."""
        self._learnt: list[tuple[Tensor, Tensor, Tensor]] | None = None  # proposals, labels, codes; a picture

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        originals = [tuple(image.shape[-2:]) for image in images]
        batch, there = self.network.transform(images, targets)
        self.inputs = [
            tensor[:, :height, :width]
            for tensor, (height, width) in zip(batch.tensors, batch.image_sizes, strict=True)
        ]
        if there is not None:
            self._learnt = [self._encode(target) for target in there]
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
        learnt = self._learnt or [(empty, empty[:, 0].long(), empty)] * len(sizes)
        labels = torch.cat([part[1] for part in learnt])
        rows = torch.arange(len(labels), device=device)
        logits = torch.zeros(len(labels), classes, device=device)
        logits[rows, labels] = SURE
        codes = torch.zeros(len(labels), classes, 4, device=device)
        codes[rows, labels] = torch.cat([part[2] for part in learnt])
        found = heads.postprocess_detections(logits, codes.flatten(1), [part[0] for part in learnt], sizes)
        return [
            {"boxes": boxes, "scores": scores, "labels": named}
            for boxes, scores, named in zip(*found, strict=True)
        ]
