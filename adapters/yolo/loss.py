"""YOLO's class loss with the switch against class imbalance; all else of the criterion stays ultralytics'.

B pictures, A anchors, C classes. ultralytics asks its criterion's `bce` for a loss of every anchor and class
and divides their sum by max(sum(t), 1), t the soft targets that its assigner gives. Here `bce` answers

    scale * row * phi * l        (B, A, C)
    l = BCE(z, t),  phi = (|t - p| / m)^gamma,  p = sigmoid(z),  m = t where p < t, else 1 - t

where an anchor's row is the weight of its class, the one with the largest t, or the background's weight where
no t is over 0; with focal_alpha times 2 alpha, or 2 (1 - alpha) without an object.

phi is (1 - p_t)^gamma of Lin et al. 2017 for targets of 0 and 1. Li et al. 2020 (Generalized Focal Loss,
equation 5) have |t - p|^gamma, without the m, for soft ones. But t holds the IoU of the box, and where
training begins no box fits: that phi is then about t^2 for an object, and grows twentyfold while the boxes
get better, so that a network is punished for learning. (The tiny YOLO on one small batch: box, class and dfl
together rise from 1.6 to 21 in 21 steps; with the m they fall from 1.6 to 1.4 in 12.)

scale is 1 where classes alone are weighted: those weights are 1 on average. What a focus or another
background takes from the size of the loss, the network tells: scale is measured on the first batch with an
object, before the first step.

    scale = sum(l) / sum(row' phi l),  row' the row without the class weights

Where several processes train one model, the sums are over the batch of all of them.

A head for end-to-end detection is trained beside a usual one (ultralytics' E2ELoss): both have the scale of
the usual one, whose gradients alone reach the backbone.
"""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from bench.adapters.losses.binary import soft_focal_factor
from bench.adapters.losses.weighing import Weighing
from bench.layout import Layout
from bench.loss import LossConfig
from bench.records import LossRecord

BACKGROUND_WEIGHT = 1.0
"""Of anchors without an object, where nothing is said: YOLOv8's own loss makes no difference."""

Total = Callable[[Tensor], Tensor]
"""Element by element over all processes that train the model; asked by all of them at once."""


def alone(sums: Tensor) -> Tensor:
    """The total of a single process."""
    return sums


_log = logging.getLogger(__name__)


class ClassLoss(nn.Module):
    """In the place of a criterion's `bce`. `scale` is None until it is measured."""

    rows: Tensor  # (C + 1,) by class, no object last
    sides: Tensor  # the same without the class weights

    def __init__(self, weighing: Weighing, scale: float | None = None, total: Total = alone) -> None:
        super().__init__()
        self.weighing = weighing
        self._total = total
        there, none = weighing.sides
        empty = none * weighing.background
        for name, weights in (("rows", weighing.classes), ("sides", np.ones_like(weighing.classes))):
            self.register_buffer(name, torch.tensor([*weights * there, empty], dtype=torch.float32))
        same_size = not weighing.gamma and bool((self.sides == 1).all())
        self.scale = 1.0 if same_size or not weighing.normalise else scale
        if self.scale is not None:
            self._tell()

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(B, A, C) twice -> (B, A, C). Half precision is computed in single."""
        logits = logits if logits.dtype == torch.float64 else logits.float()
        targets = targets.to(logits)
        strongest, classes = targets.max(-1)  # (B, A)
        classes = torch.where(strongest > 0, classes, len(self.rows) - 1)
        loss = binary_cross_entropy_with_logits(logits, targets, reduction="none")
        gamma = self.weighing.gamma
        focused = loss * soft_focal_factor(logits, targets, gamma) if gamma else loss
        scale = self.scale
        if scale is None:
            scale = self._measure(loss, self.sides.to(loss)[classes][..., None] * focused, strongest)
        return (scale * self.rows.to(loss)[classes])[..., None] * focused

    def _measure(self, loss: Tensor, counted: Tensor, strongest: Tensor) -> float:
        """The scale of this batch, kept where it trains and has an object; 1 where nothing counts."""
        sums = torch.stack([part.detach().double().sum().cpu() for part in (loss, counted, strongest > 0)])
        training = torch.is_grad_enabled()  # validation is one process's own affair
        whole, focused, objects = (self._total(sums) if training else sums).tolist()
        scale = whole / focused if focused else 1.0
        if training and objects:
            self.scale = scale
            self._tell()
        return float(scale)

    def record(self) -> LossRecord:
        """Told as a cell's record has it."""
        w = self.weighing
        assert self.scale is not None, "a training has measured it"
        sides = "" if w.alpha is None else " alpha"
        told = f"; alpha {w.sides[0]:g} with an object, {w.sides[1]:g} without" if sides else ""
        focus = f" (|t - p| / m)^{w.gamma:g}" if w.gamma else ""
        most = ", m = t where p < t, else 1 - t" if w.gamma else ""
        scale = f"{self.scale:.4g} " if self.scale != 1 else ""
        return w.record(
            f"{scale}sum(w b{sides}{focus} BCE(p, t)) / sum(t), a sigmoid a class, t soft{most}{told}",
            self.scale,
        )

    def _tell(self) -> None:
        record = self.record()
        weights = ", ".join(f"{name} {weight:.4g}" for name, weight in record.class_weights.items())
        _log.info("class loss: %s; b %g; w %s", record.formula, record.background_weight, weights)


def class_loss(
    settings: LossConfig, layout: Layout, scale: float | None, total: Total = alone
) -> ClassLoss | None:
    """For a training on a layout; None leaves ultralytics' own. `scale`: that of a training that goes on.

    Raises ConfigError as `bench.frequencies.class_weights` does.
    """
    if not settings.changes_classification:
        return None
    background = BACKGROUND_WEIGHT if settings.background_weight is None else settings.background_weight
    return ClassLoss(Weighing.of(settings, layout.class_counts("train"), background=background), scale, total)


def put_into(criterion: Any, loss: ClassLoss) -> None:
    """`criterion`: ultralytics', of a model with one head or with two."""
    heads = [getattr(criterion, name, None) for name in ("one2many", "one2one")]
    for head in [head for head in heads if head is not None] or [criterion]:
        head.bce = loss.to(head.device)
