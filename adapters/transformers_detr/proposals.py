"""The loss of a two-stage encoder's proposals, which transformers' Deformable DETR leaves out."""

from typing import Any

import torch
from torch import Tensor
from transformers.loss.loss_deformable_detr import DeformableDetrHungarianMatcher, DeformableDetrImageLoss

_NAMES = {"loss_ce": "class_encoder", "loss_bbox": "box_encoder", "loss_giou": "giou_encoder"}


def proposal_losses(out: Any, labels: list[dict[str, Tensor]], config: Any) -> dict[str, Tensor]:
    """Zhu et al. 2021, appendix A.4: a position's first class logit says whether there is any object.

    Args:
        out: of DeformableDetrForObjectDetection, with the class logits and box logits of every position.
        labels: of each image, class_labels (N,) and boxes (N, 4).
    """
    matcher = DeformableDetrHungarianMatcher(config.class_cost, config.bbox_cost, config.giou_cost)
    criterion: Any = DeformableDetrImageLoss(  # type: ignore[no-untyped-call]
        matcher, config.num_labels, config.focal_alpha, ["labels", "boxes"]
    )
    proposals = {
        "logits": out.enc_outputs_class.float(),
        "pred_boxes": out.enc_outputs_coord_logits.float().sigmoid(),
    }
    any_object = [{**one, "class_labels": torch.zeros_like(one["class_labels"])} for one in labels]
    return {_NAMES[name]: loss for name, loss in criterion(proposals, any_object).items()}
