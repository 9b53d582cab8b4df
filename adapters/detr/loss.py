"""DETR's loss with weights that may be any number: transformers' own configuration takes whole ones alone.

Carion et al. 2020, section 3.1 and appendix A.4. B pictures, Q queries, C classes.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.loss.loss_for_object_detection import HungarianMatcher, ImageLoss

from bench.adapters.detr.options import DetrOptions


@dataclass(frozen=True)
class Criterion:
    """What transformers' DETR calls in place of its own loss (`loss_function`)."""

    class_cost: float
    box_cost: float
    giou_cost: float
    no_object_weight: float

    @classmethod
    def of(cls, options: DetrOptions) -> "Criterion":
        assert options.no_object_weight is not None, "options are resolved"
        return cls(options.class_cost, options.box_cost, options.giou_cost, options.no_object_weight)

    def __call__(
        self,
        logits: Tensor,  # (B, Q, C + 1)
        labels: list[dict[str, Tensor]],
        device: torch.device,
        pred_boxes: Tensor,  # (B, Q, 4) centre and size as shares
        config: Any,
        outputs_class: Tensor | None = None,  # (decoder layers, B, Q, C + 1), for the auxiliary losses
        outputs_coord: Tensor | None = None,  # (decoder layers, B, Q, 4)
        **_: Any,
    ) -> tuple[None, dict[str, Tensor], None]:
        """No total: the loop weighs. `loss_ce`, `loss_bbox`, `loss_giou`, and each with _LAYER at its end."""
        matcher = HungarianMatcher(self.class_cost, self.box_cost, self.giou_cost)
        parts = ["labels", "boxes"]
        weight, count = self.no_object_weight, config.num_labels
        criterion: Any = ImageLoss(matcher, count, weight, parts)  # type: ignore[no-untyped-call]
        criterion.to(device)
        outputs: dict[str, Any] = {"logits": logits, "pred_boxes": pred_boxes}
        if outputs_class is not None and outputs_coord is not None:
            outputs["auxiliary_outputs"] = [
                {"logits": one, "pred_boxes": boxes}
                for one, boxes in zip(outputs_class[:-1], outputs_coord[:-1], strict=True)
            ]
        return None, dict(criterion(outputs, labels)), None
