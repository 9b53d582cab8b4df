"""DETR as the gates see it: a stand-in takes the labels that its loss takes, and gives its heads' outputs."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.adapters.loop.round_trip import StandIn, in_place_of
from bench.adapters.loop.trainable import Batch, RawDetections

if TYPE_CHECKING:
    from bench.adapters.detr.model import Detr

SURE = 20.0
"""A logit beside its negatives: a probability of 1, for a softmax and for a sigmoid a class."""

_LOSSES = ("loss_ce", "loss_bbox", "loss_giou")


class DetrProbe:
    """See bench.adapters.loop.round_trip."""

    def __init__(self, trainable: "Detr") -> None:
        self._trainable = trainable
        self._perfect = _Perfect(trainable.detr)

    def network_inputs(self, batch: Batch, *, training: bool) -> list[Tensor]:
        with in_place_of(self._trainable, "detr", self._perfect):
            self._trainable.train(training)
            if training:
                self._trainable(batch)
            else:
                self._trainable.detect(batch)
        rows, columns = (self._perfect.mask.any(dim).sum(1).tolist() for dim in (2, 1))
        return [
            image[:, :height, :width]
            for image, height, width in zip(self._perfect.pixels, rows, columns, strict=True)
        ]

    def round_trip(self, batch: Batch) -> list[RawDetections]:
        with in_place_of(self._trainable, "detr", self._perfect):
            self._trainable.train()
            self._trainable(batch)
            self._trainable.eval()
            return self._trainable.detect(batch)


class _Perfect(StandIn):
    """Keeps what it is given; a query for each label, in the label's own words, and the rest empty."""

    pixels: Tensor  # (B, 3, H, W)
    mask: Tensor  # (B, H, W)

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.labels: list[dict[str, Tensor]] = []

    def forward(
        self,
        pixel_values: Tensor,
        pixel_mask: Tensor,
        labels: list[dict[str, Tensor]] | None = None,
        **settings: Any,
    ) -> SimpleNamespace:
        self.pixels, self.mask = pixel_values, pixel_mask.bool()
        if labels is not None:
            self.labels = labels
        logits, boxes = self._outputs(len(pixel_values))
        zero = pixel_values.new_zeros(())
        return SimpleNamespace(
            logits=logits, pred_boxes=boxes, loss=zero, loss_dict=dict.fromkeys(_LOSSES, zero)
        )

    def _outputs(self, images: int) -> tuple[Tensor, Tensor]:
        """(B, Q, C + 1) and (B, Q, 4); more queries than the network has where the boxes need them."""
        classes = self.network.class_labels_classifier.out_features
        most = max([self.network.config.num_queries, *(len(label["boxes"]) for label in self.labels)])
        logits = torch.full((images, most, classes), -SURE, device=self.pixels.device)
        boxes = torch.full((images, most, 4), 0.5, device=self.pixels.device)
        logits[..., -1] = SURE
        for row, label in enumerate(self.labels):
            count = len(label["boxes"])
            logits[row, :count, -1] = -SURE
            logits[row, torch.arange(count), label["class_labels"]] = SURE
            boxes[row, :count] = label["boxes"]
        return logits, boxes
