"""The class loss of heads whose classes share one softmax with `no object`: DETR's queries (no object last),
Faster R-CNN's regions (first).

N examples, C classes, K = C + 1 outputs. With p the softmax and y the true class, an example has

    l = (1 - smoothing) (-log p_y) + smoothing / K sum_k (-log p_k)
    phi = (1 - p_y)^gamma                                             Lin et al. 2017, equation 4

and the loss is scale * sum(factor_y phi l) / sum(share_y). With the class weight w (1 without an object),
the background's weight b (1 with an object) and the focal loss's a, see ExampleWeights:

    normalise          factor = w b a,  share = b a,  scale = (K / C)^gamma
    else               factor = w b a,  share = w b,  scale = 1

At the start of training all p are 1 / K, and phi is (C / K)^gamma. Without `normalise`, gamma and smoothing
the loss is torch's weighted cross-entropy.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from bench.adapters.losses.weights import ExampleWeights, FloatArray
from bench.records import LossRecord


class SoftmaxLoss(nn.Module):
    """Its weights are buffers that move with the network and are not in its state_dict."""

    factor: Tensor  # (K,) by true class, in the head's order
    share: Tensor  # (K,)

    def __init__(self, weights: ExampleWeights, *, background: Literal["first", "last"]) -> None:
        super().__init__()
        self.weights = weights
        first = background == "first"
        by_class, empty = weights.by_class, weights.background
        positive, negative = weights.alphas
        factor = _row(by_class * positive, empty * negative, first=first)
        if weights.normalise:
            share = _row(np.full_like(by_class, positive), empty * negative, first=first)
        else:
            share = _row(by_class, empty, first=first)
        self.register_buffer("factor", factor, persistent=False)
        self.register_buffer("share", share, persistent=False)
        self.scale = (len(factor) / len(by_class)) ** weights.gamma if weights.normalise else 1.0

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N, K) and (N,) -> a scalar, 0 where nothing counts; in single precision at least."""
        logits = logits if logits.dtype == torch.float64 else logits.float()
        log_p = logits.log_softmax(-1)
        log_p_y = log_p.gather(1, targets[:, None])[:, 0]  # (N,)
        loss = -log_p_y
        if self.weights.smoothing:
            loss = loss.lerp(-log_p.mean(-1), self.weights.smoothing)
        if self.weights.gamma:
            # Where p is 1 the power has no finite slope for a gamma under 1, though the loss is 0.
            missed = (-torch.expm1(log_p_y)).clamp(min=torch.finfo(log_p.dtype).tiny)
            loss = loss * missed**self.weights.gamma
        factor, share = self.factor.to(loss)[targets], self.share.to(loss)[targets]
        whole = share.sum().clamp(min=torch.finfo(loss.dtype).tiny)
        return self.scale * (factor * loss).sum() / whole

    def record(self) -> LossRecord:
        """For the cell's record."""
        w = self.weights
        eps = f"{w.smoothing:g}"
        loss = f"((1 - {eps}) (-log p) + {eps} mean(-log p_k))" if w.smoothing else "(-log p)"
        focus = f" (1 - p)^{w.gamma:g}" if w.gamma else ""
        alpha = "" if w.alpha is None else " alpha"
        alphas = f"; alpha {w.alphas[0]:g} with an object, {w.alphas[1]:g} without" if alpha else ""
        base = f"b{alpha}" if w.normalise else "w b"
        scale = f"{self.scale:.4g} " if self.scale != 1 else ""
        return w.record(f"{scale}sum(w b{alpha}{focus} {loss}) / sum({base}){alphas}", self.scale)


def _row(classes: FloatArray, empty: float, *, first: bool) -> Tensor:
    """Values of the C classes and of the background -> (K,) in the head's order."""
    parts = ([empty], classes) if first else (classes, [empty])
    return torch.from_numpy(np.concatenate(parts)).float()
