"""DETR's loss with float weights (transformers' config takes integers), and with another class loss.

Carion et al. 2020, section 3.1 and appendix A.4. B images, Q queries, C classes. All but another class
loss is transformers' own code.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.loss.loss_deformable_detr import DeformableDetrHungarianMatcher
from transformers.loss.loss_for_object_detection import HungarianMatcher, ImageLoss

from bench.adapters.detr.options import DetrOptions
from bench.adapters.losses.sigmoid import SigmoidLoss
from bench.adapters.losses.softmax import SoftmaxLoss


@dataclass(frozen=True)
class Criterion:
    """What transformers' DETR calls in place of its own loss (`loss_function`)."""

    class_cost: float
    box_cost: float
    giou_cost: float
    no_object_weight: float
    class_loss: SoftmaxLoss | SigmoidLoss | None = None  # None: transformers' own class loss

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
        """`loss_ce`, `loss_bbox`, `loss_giou`, and each with _LAYER at its end. No total: the loop sums."""
        criterion: Any = self._parts(config.num_labels)
        criterion.to(device)
        if isinstance(
            self.class_loss, SigmoidLoss
        ):  # its matcher adds 1e-8, which half precision does not have
            logits = logits.float()
            outputs_class = None if outputs_class is None else outputs_class.float()
        outputs: dict[str, Any] = {"logits": logits, "pred_boxes": pred_boxes}
        if outputs_class is not None and outputs_coord is not None:
            outputs["auxiliary_outputs"] = [
                {"logits": one, "pred_boxes": boxes}
                for one, boxes in zip(outputs_class[:-1], outputs_coord[:-1], strict=True)
            ]
        return None, dict(criterion(outputs, labels)), None

    def _parts(self, classes: int) -> Any:
        """Matcher and losses of one layer. With sigmoids the class cost is that of Deformable DETR, with its
        fixed alpha of 0.25 and gamma of 2."""
        sigmoid = isinstance(self.class_loss, SigmoidLoss)
        kind = DeformableDetrHungarianMatcher if sigmoid else HungarianMatcher
        matcher = kind(self.class_cost, self.box_cost, self.giou_cost)
        parts = ["labels", "boxes"]
        if self.class_loss is None:
            return ImageLoss(matcher, classes, self.no_object_weight, parts)  # type: ignore[no-untyped-call]
        return _WeightedImageLoss(matcher, classes, parts, self.class_loss)


class _WeightedImageLoss(ImageLoss):
    """transformers' loss with another class loss."""

    def __init__(
        self, matcher: Any, classes: int, parts: list[str], class_loss: SoftmaxLoss | SigmoidLoss
    ) -> None:
        super().__init__(matcher, classes, 1.0, parts)  # type: ignore[no-untyped-call]
        self.class_loss = class_loss

    def loss_labels(
        self, outputs: dict[str, Tensor], targets: list[dict[str, Tensor]], indices: Any, num_boxes: float
    ) -> dict[str, Tensor]:
        logits = outputs["logits"]
        named = torch.full(logits.shape[:2], self.num_classes, dtype=torch.int64, device=logits.device)
        places: Any = self._get_source_permutation_idx(indices)  # type: ignore[no-untyped-call]
        named[places] = torch.cat(
            [target["class_labels"][own] for target, (_, own) in zip(targets, indices, strict=True)]
        )
        return {"loss_ce": self.class_loss(logits.flatten(0, 1), named.flatten())}
