"""DETR's class loss with one sigmoid per class, as Deformable DETR's (Zhu et al. 2021).

It takes the logits of a plain DETR; the last one, `no object`, is unused.

N queries, C classes. With t the one-hot rows of the true classes (all 0 without an object):

    l = BCE(z, t),  phi = |t - sigmoid(z)|^gamma        (N, C)        Lin et al. 2017, equation 5
    loss = scale * sum_ic row_i a_ic phi_ic l_ic / max(queries with an object, 1)

row is the weight of the true class, or that of the background, b; a is alpha where t is 1 and 1 - alpha where
it is 0. scale makes the loss log(C + 1) at the start of training, which is the softmax loss there: all p are
PRIOR, and with Q queries, and n objects per image of train, the sum per object is

    alpha (1 - PRIOR)^gamma (-log PRIOR)
    + (C - 1 + b C (Q / n - 1)) (1 - alpha) PRIOR^gamma (-log(1 - PRIOR))
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from bench.adapters.losses.binary import focal_factor
from bench.adapters.losses.weights import ExampleWeights
from bench.records import LossRecord

PRIOR = 0.01
"""Score of every class at the start of training, by the head's bias: Lin et al. 2017, section 4.1."""

PRIOR_LOGIT = math.log(PRIOR / (1 - PRIOR))


class SigmoidLoss(nn.Module):
    """Its weights are buffers that move with the network and are not in its state_dict."""

    row: Tensor  # (C + 1,) by true class, no object last

    def __init__(self, weights: ExampleWeights, *, queries: int, boxes_an_image: float) -> None:
        super().__init__()
        self.weights = weights
        row = torch.tensor([*weights.by_class, weights.background], dtype=torch.float32)
        self.register_buffer("row", row, persistent=False)
        self.has_alpha = weights.alphas != (1.0, 1.0)
        self.scale = self._scale(queries, boxes_an_image) if weights.normalise else 1.0

    def _scale(self, queries: int, boxes_an_image: float) -> float:
        if not boxes_an_image:
            return 1.0
        classes, gamma = len(self.row) - 1, self.weights.gamma
        positive, negative = self.weights.alphas
        silent = classes - 1 + self.weights.background * classes * (queries / boxes_an_image - 1)
        start = positive * math.pow(1 - PRIOR, gamma) * -math.log(PRIOR)
        start += silent * negative * math.pow(PRIOR, gamma) * -math.log1p(-PRIOR)
        return math.log(classes + 1) / start

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N, C + 1) and (N,), C for no object -> a scalar, computed in single precision at least."""
        classes = len(self.row) - 1
        logits = logits if logits.dtype == torch.float64 else logits.float()
        wanted = torch.nn.functional.one_hot(targets, classes + 1)[:, :classes].to(logits)  # (N, C)
        logits = logits[:, :classes]
        loss = binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        loss = loss * focal_factor(logits, wanted, self.weights.gamma)
        positive, negative = self.weights.alphas
        if self.has_alpha:
            loss = loss * (negative + (positive - negative) * wanted)
        objects = (targets < classes).sum().clamp(min=1)
        return self.scale * (loss.sum(1) * self.row.to(loss)[targets]).sum() / objects

    def record(self) -> LossRecord:
        """For the cell's record."""
        positive, negative = self.weights.alphas
        alphas = f"; alpha {positive:g} of the true class, {negative:g} of others" if self.has_alpha else ""
        alpha = " alpha" if alphas else ""
        focus = f" |t - p|^{self.weights.gamma:g}" if self.weights.gamma else ""
        scale = f"{self.scale:.4g} " if self.scale != 1 else ""
        return self.weights.record(
            f"{scale}sum(w b{alpha}{focus} BCE(p, t)) / objects, a sigmoid per class{alphas}", self.scale
        )
