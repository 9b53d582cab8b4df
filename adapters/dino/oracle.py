"""A perfect DINO, for the gates: takes the labels of DINO's loss, gives the outputs of its heads."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.adapters.dino.network import DinoOutputs
from bench.adapters.loop.oracle import OracleNetwork

SURE = 20.0
"""A logit whose sigmoid is 1."""


class OracleDino(OracleNetwork):
    """One query per label, which repeats the label; the other queries are empty."""

    labels: Sequence[dict[str, Tensor]] = ()

    def forward(
        self,
        pixel_values: Tensor,  # (B, 3, H, W)
        pixel_mask: Tensor,  # (B, H, W)
        labels: list[dict[str, Tensor]] | None = None,
    ) -> DinoOutputs:
        heights, widths = (pixel_mask.any(dim).sum(1).tolist() for dim in (2, 1))
        self.inputs = [
            image[:, :height, :width]
            for image, height, width in zip(pixel_values, heights, widths, strict=True)
        ]
        if labels is not None:
            self.labels = labels
        images, device = len(pixel_values), pixel_values.device
        most = max([self.network.queries, *(len(label["boxes"]) for label in self.labels)])
        logits = torch.full((1, images, most, self.network.class_embed.out_features), -SURE, device=device)
        boxes = torch.full((1, images, most, 4), 0.5, device=device)
        for row, label in enumerate(self.labels):
            count = len(label["boxes"])
            logits[0, row, torch.arange(count), label["class_labels"]] = SURE
            boxes[0, row, :count] = label["boxes"]
        return DinoOutputs(logits, boxes, None, None, None)
