"""DETR's class loss with a sigmoid a class: Zhu et al. 2021, Deformable DETR, on the logits of a plain DETR.

The last of them, `no object`, is then not used.

N queries, C classes. With t the one-hot rows of the true classes (all 0 without an object):

    l = BCE(z, t),  phi = |t - sigmoid(z)|^gamma        (N, C)        Lin et al. 2017, equation 5
    loss = scale * sum_ic row_i side_ic phi_ic l_ic / max(queries with an object, 1)

row is the weight of the true class, or b, that of the background; side is alpha where t is 1 and 1 - alpha
where it is 0. scale brings it to log(C + 1), as large as the softmax loss where training begins: there all p
are PRIOR, and with Q queries, and n objects a picture of train, the sum over the objects is

    alpha (1 - PRIOR)^gamma (-log PRIOR)
    + (C - 1 + b C (Q / n - 1)) (1 - alpha) PRIOR^gamma (-log(1 - PRIOR))
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from bench.adapters.losses.binary import focal_factor
from bench.adapters.losses.weighing import Weighing
from bench.records import LossRecord

PRIOR = 0.01
"""Score of every class where training begins, by the head's bias: Lin et al. 2017, section 4.1."""

PRIOR_LOGIT = math.log(PRIOR / (1 - PRIOR))


class SigmoidLoss(nn.Module):
    """Its figures are buffers outside its state_dict: they go to the device with the network alone."""

    row: Tensor  # (C + 1,) by true class, no object last

    def __init__(self, weighing: Weighing, *, queries: int, boxes_an_image: float) -> None:
        super().__init__()
        self.weighing = weighing
        row = torch.tensor([*weighing.classes, weighing.background], dtype=torch.float32)
        self.register_buffer("row", row, persistent=False)
        self.sides = weighing.sides
        self.sided = self.sides != (1.0, 1.0)
        self.scale = self._scale(queries, boxes_an_image) if weighing.normalise else 1.0

    def _scale(self, queries: int, boxes_an_image: float) -> float:
        if not boxes_an_image:
            return 1.0
        classes, gamma = len(self.row) - 1, self.weighing.gamma
        there, none = self.sides
        silent = classes - 1 + self.weighing.background * classes * (queries / boxes_an_image - 1)
        start = there * math.pow(1 - PRIOR, gamma) * -math.log(PRIOR)
        start += silent * none * math.pow(PRIOR, gamma) * -math.log1p(-PRIOR)
        return math.log(classes + 1) / start

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N, C + 1) and (N,), C for no object -> a scalar. Half precision is computed in single."""
        classes = len(self.row) - 1
        logits = logits if logits.dtype == torch.float64 else logits.float()
        wanted = torch.nn.functional.one_hot(targets, classes + 1)[:, :classes].to(logits)  # (N, C)
        logits = logits[:, :classes]
        loss = binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        loss = loss * focal_factor(logits, wanted, self.weighing.gamma)
        there, none = self.sides
        if self.sided:
            loss = loss * (none + (there - none) * wanted)
        objects = (targets < classes).sum().clamp(min=1)
        return self.scale * (loss.sum(1) * self.row.to(loss)[targets]).sum() / objects

    def record(self) -> LossRecord:
        """Told as a cell's record has it."""
        there, none = self.sides
        sides = f"; side {there:g} of the true class, {none:g} of the others" if self.sided else ""
        side = " side" if sides else ""
        focus = f" |t - p|^{self.weighing.gamma:g}" if self.weighing.gamma else ""
        scale = f"{self.scale:.4g} " if self.scale != 1 else ""
        return self.weighing.record(
            f"{scale}sum(w b{side}{focus} BCE(p, t)) / objects, a sigmoid a class{sides}", self.scale
        )
