"""The class loss of heads whose classes share one softmax with `no object`: DETR's queries (no object last),
Faster R-CNN's regions (first).

N examples, C classes, K = C + 1 outputs. With p the softmax and y the true class, an example has

    l = (1 - smoothing) (-log p_y) + smoothing / K sum_k (-log p_k)
    phi = (1 - p_y)^gamma                                             Lin et al. 2017, equation 4

and the loss is scale * sum(factor_y phi l) / sum(share_y). With the class weight w (1 without an object),
the background's weight b (1 with an object) and focal_alpha's side a, see Weighing:

    normalise          factor = w b a,  share = b a,  scale = (K / C)^gamma
    the textbook's     factor = w b a,  share = w b,  scale = 1

Where training begins all p are 1 / K, and phi is (C / K)^gamma. The textbook's is torch's weighted
cross-entropy where gamma is 0 and nothing is smoothed.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from bench.adapters.losses.weighing import Figures, Weighing
from bench.records import LossRecord


class SoftmaxLoss(nn.Module):
    """Its figures are buffers outside its state_dict: they go to the device with the network alone."""

    factor: Tensor  # (K,) by true class, in the head's order
    share: Tensor  # (K,)

    def __init__(self, weighing: Weighing, *, background: Literal["first", "last"]) -> None:
        super().__init__()
        self.weighing = weighing
        first = background == "first"
        weights, empty = weighing.classes, weighing.background
        there, none = weighing.sides
        factor = _row(weights * there, empty * none, first=first)
        if weighing.normalise:
            share = _row(np.full_like(weights, there), empty * none, first=first)
        else:
            share = _row(weights, empty, first=first)
        self.register_buffer("factor", factor, persistent=False)
        self.register_buffer("share", share, persistent=False)
        self.scale = (len(factor) / len(weights)) ** weighing.gamma if weighing.normalise else 1.0

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N, K) and (N,) -> a scalar, 0 where nothing counts. Half precision is computed in single."""
        logits = logits if logits.dtype == torch.float64 else logits.float()
        log_p = logits.log_softmax(-1)
        log_p_y = log_p.gather(1, targets[:, None])[:, 0]  # (N,)
        loss = -log_p_y
        if self.weighing.smoothing:
            loss = loss.lerp(-log_p.mean(-1), self.weighing.smoothing)
        if self.weighing.gamma:
            # Where p is 1 the power has no finite slope for a gamma under 1, and the loss is 0 all the same.
            missed = (-torch.expm1(log_p_y)).clamp(min=torch.finfo(log_p.dtype).tiny)
            loss = loss * missed**self.weighing.gamma
        factor, share = self.factor.to(loss)[targets], self.share.to(loss)[targets]
        whole = share.sum().clamp(min=torch.finfo(loss.dtype).tiny)
        return self.scale * (factor * loss).sum() / whole

    def record(self) -> LossRecord:
        """Told as a cell's record has it."""
        w = self.weighing
        eps = f"{w.smoothing:g}"
        loss = f"((1 - {eps}) (-log p) + {eps} mean(-log p_k))" if w.smoothing else "(-log p)"
        focus = f" (1 - p)^{w.gamma:g}" if w.gamma else ""
        sides = "" if w.alpha is None else " alpha"
        told = f"; alpha {w.sides[0]:g} with an object, {w.sides[1]:g} without" if sides else ""
        base = f"b{sides}" if w.normalise else "w b"
        scale = f"{self.scale:.4g} " if self.scale != 1 else ""
        return w.record(f"{scale}sum(w b{sides}{focus} {loss}) / sum({base}){told}", self.scale)


def _row(classes: Figures, empty: float, *, first: bool) -> Tensor:
    """(C,) and the figure without an object -> (K,) in the head's order."""
    parts = ([empty], classes) if first else (classes, [empty])
    return torch.from_numpy(np.concatenate(parts)).float()
