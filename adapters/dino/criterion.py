"""DINO's loss: Deformable DETR's on decoder layers, on the encoder's proposals and on denoising queries.

Zhang et al. 2022, section 3, with the matching costs of its published configurations. The matcher and the
focal, L1 and GIoU losses are transformers'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers.loss.loss_deformable_detr import DeformableDetrHungarianMatcher, DeformableDetrImageLoss

from bench.adapters.dino.network import DinoOutputs

Matches = Sequence[tuple[Tensor, Tensor]]

COMPONENTS = {"loss_ce": "class", "loss_bbox": "box", "loss_giou": "giou"}
"""transformers' names -> ours."""


@dataclass(frozen=True)
class DinoCriterion:
    """Unweighted losses by component; the figures are matching costs."""

    class_cost: float = 2.0
    box_cost: float = 5.0
    giou_cost: float = 2.0
    focal_alpha: float = 0.25

    def __call__(self, outputs: DinoOutputs, labels: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """`class`, `box` and `giou` summed over decoder layers; the same for the encoder's proposals with
        `_encoder` at the end, and for the denoising queries with `_denoising`.

        Each is a mean over objects.
        """
        losses = self._transformers(outputs.logits.shape[-1])
        objects = float(max(sum(len(label["class_labels"]) for label in labels), 1))
        found: dict[str, Tensor] = {}
        denoising = outputs.denoising
        first = 0 if denoising is None else denoising.count
        for logits, boxes in zip(outputs.logits, outputs.boxes, strict=True):
            _add(found, _losses(losses, logits[:, first:], boxes[:, first:], labels, objects), "")
            if denoising is not None:
                known, count = denoising.matches(labels), objects * denoising.groups
                each = _losses(losses, logits[:, :first], boxes[:, :first], labels, count, known)
                _add(found, each, "_denoising")
        if outputs.encoder_logits is not None and outputs.encoder_boxes is not None:
            each = _losses(losses, outputs.encoder_logits, outputs.encoder_boxes, labels, objects)
            _add(found, each, "_encoder")
        return found

    def _transformers(self, classes: int) -> Any:
        matcher = DeformableDetrHungarianMatcher(self.class_cost, self.box_cost, self.giou_cost)
        parts = ["labels", "boxes"]
        return DeformableDetrImageLoss(matcher, classes, self.focal_alpha, parts)  # type: ignore[no-untyped-call]


def _losses(
    losses: Any,
    logits: Tensor,  # (B, Q, C)
    boxes: Tensor,  # (B, Q, 4)
    labels: list[dict[str, Tensor]],
    count: float,
    matches: Matches | None = None,
) -> dict[str, Tensor]:
    """Of one layer, by transformers' names, in single precision. Without `matches`, matched by cost."""
    outputs = {"logits": logits.float(), "pred_boxes": boxes.float()}
    if matches is None:
        matches = losses.matcher(outputs, labels)
    return {
        **losses.loss_labels(outputs, labels, matches, count),
        **losses.loss_boxes(outputs, labels, matches, count),
    }


def _add(found: dict[str, Tensor], losses: Mapping[str, Tensor], ending: str) -> None:
    for theirs, ours in COMPONENTS.items():
        name = f"{ours}{ending}"
        found[name] = found[name] + losses[theirs] if name in found else losses[theirs]
