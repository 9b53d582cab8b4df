"""A perfect DETR, for the gates: takes the labels of DETR's loss, gives the outputs of its heads."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from bench.adapters.loop.oracle import OracleNetwork

SURE = 20.0
"""A logit beside its negatives: a probability of 1, for a softmax and for a sigmoid per class."""

_LOSSES = ("loss_ce", "loss_bbox", "loss_giou")


class OracleDetr(OracleNetwork):
    """One query per label, which repeats the label; the other queries are empty."""

    labels: Sequence[dict[str, Tensor]] = ()

    def forward(
        self,
        pixel_values: Tensor,  # (B, 3, H, W)
        pixel_mask: Tensor,  # (B, H, W)
        labels: list[dict[str, Tensor]] | None = None,
        **settings: Any,
    ) -> SimpleNamespace:
        mask = pixel_mask.bool()
        heights, widths = (mask.any(dim).sum(1).tolist() for dim in (2, 1))
        self.inputs = [
            image[:, :height, :width]
            for image, height, width in zip(pixel_values, heights, widths, strict=True)
        ]
        if labels is not None:
            self.labels = labels
        logits, boxes = self._outputs(len(pixel_values), pixel_values.device)
        zero = pixel_values.new_zeros(())
        return SimpleNamespace(
            logits=logits, pred_boxes=boxes, loss=zero, loss_dict=dict.fromkeys(_LOSSES, zero)
        )

    def _outputs(self, images: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """(B, Q, C + 1) and (B, Q, 4); more queries than the network has where the boxes need them."""
        classes = self.network.class_labels_classifier.out_features
        most = max([self.network.config.num_queries, *(len(label["boxes"]) for label in self.labels)])
        logits = torch.full((images, most, classes), -SURE, device=device)
        boxes = torch.full((images, most, 4), 0.5, device=device)
        logits[..., -1] = SURE
        for row, label in enumerate(self.labels):
            count = len(label["boxes"])
            logits[row, :count, -1] = -SURE
            logits[row, torch.arange(count), label["class_labels"]] = SURE
            boxes[row, :count] = label["boxes"]
        return logits, boxes
