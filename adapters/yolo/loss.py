"""YOLO's class loss by `loss:`; all else of the criterion stays ultralytics'.

B images, A anchors, C classes. ultralytics asks its criterion's `bce` for a loss of every anchor and class
and divides their sum by max(sum(t), 1), t the soft targets that its assigner gives. Here `bce` returns

    scale * row * phi * l        (B, A, C)
    l = BCE(z, t),  phi = (|t - p| / m)^gamma,  p = sigmoid(z),  m = t where p < t, else 1 - t

where an anchor's row is the weight of its class, the one with the largest t, or the background's weight where
no t is over 0; focal_alpha multiplies it by 2 alpha, or by 2 (1 - alpha) without an object.

phi is (1 - p_t)^gamma of Lin et al. 2017 for targets of 0 and 1. Li et al. 2020 (Generalized Focal Loss,
equation 5) have |t - p|^gamma, without the m, for soft ones. But t holds the IoU of the box, and where
training begins no box fits: that phi is then about t^2 for an object, and grows twentyfold while the boxes
improve, so that the loss rises. (The tiny YOLO on one small batch: box, class and dfl together rise from 1.6
to 21 in 21 steps; with the m they fall from 1.6 to 1.4 in 12.)

scale is 1 where only classes are weighted: their weights are 1 on average. With a focal factor or another
background weight it keeps the size of the loss: it is measured on the first batch with an object, before the
first step.

    scale = sum(l) / sum(row' phi l),  row' the row without the class weights

Where several processes train one model, the sums are over the batches of all.

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
from bench.adapters.losses.weights import ExampleWeights
from bench.layout import Layout
from bench.loss import LossConfig
from bench.records import LossRecord

BACKGROUND_WEIGHT = 1.0
"""Default weight of anchors without an object: in YOLOv8's own loss it is that of all others."""

Total = Callable[[Tensor], Tensor]
"""Element by element over all processes that train the model; asked by all of them at once."""


def one_process(sums: Tensor) -> Tensor:
    """For a single process."""
    return sums


_log = logging.getLogger(__name__)


class ClassLoss(nn.Module):
    """Takes the place of a criterion's `bce`. `scale` is None until it is measured."""

    rows: Tensor  # (C + 1,) by class, no object last
    unweighted_rows: Tensor  # the same without the class weights

    def __init__(
        self, weights: ExampleWeights, scale: float | None = None, total: Total = one_process
    ) -> None:
        super().__init__()
        self.weights = weights
        self._total = total
        positive, negative = weights.alphas
        empty = negative * weights.background
        for name, by_class in (
            ("rows", weights.by_class),
            ("unweighted_rows", np.ones_like(weights.by_class)),
        ):
            self.register_buffer(name, torch.tensor([*by_class * positive, empty], dtype=torch.float32))
        same_size = not weights.gamma and bool((self.unweighted_rows == 1).all())
        self.scale = 1.0 if same_size or not weights.normalise else scale
        if self.scale is not None:
            self._log_record()

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(B, A, C) twice -> (B, A, C). In single precision at least."""
        logits = logits if logits.dtype == torch.float64 else logits.float()
        targets = targets.to(logits)
        strongest, classes = targets.max(-1)  # (B, A)
        classes = torch.where(strongest > 0, classes, len(self.rows) - 1)
        loss = binary_cross_entropy_with_logits(logits, targets, reduction="none")
        gamma = self.weights.gamma
        focused = loss * soft_focal_factor(logits, targets, gamma) if gamma else loss
        scale = self.scale
        if scale is None:
            scale = self._measure(
                loss, self.unweighted_rows.to(loss)[classes][..., None] * focused, strongest
            )
        return (scale * self.rows.to(loss)[classes])[..., None] * focused

    def _measure(self, loss: Tensor, counted: Tensor, strongest: Tensor) -> float:
        """The scale of this batch, kept if it is of training and has an object; 1 where nothing counts."""
        sums = torch.stack([part.detach().double().sum().cpu() for part in (loss, counted, strongest > 0)])
        training = torch.is_grad_enabled()  # one process alone validates
        whole, focused, objects = (self._total(sums) if training else sums).tolist()
        scale = whole / focused if focused else 1.0
        if training and objects:
            self.scale = scale
            self._log_record()
        return float(scale)

    def record(self) -> LossRecord:
        """For the cell's record."""
        w = self.weights
        assert self.scale is not None, "a training has measured it"
        alpha = "" if w.alpha is None else " alpha"
        alphas = f"; alpha {w.alphas[0]:g} with an object, {w.alphas[1]:g} without" if alpha else ""
        focus = f" (|t - p| / m)^{w.gamma:g}" if w.gamma else ""
        most = ", m = t where p < t, else 1 - t" if w.gamma else ""
        scale = f"{self.scale:.4g} " if self.scale != 1 else ""
        return w.record(
            f"{scale}sum(w b{alpha}{focus} BCE(p, t)) / sum(t), a sigmoid a class, t soft{most}{alphas}",
            self.scale,
        )

    def _log_record(self) -> None:
        record = self.record()
        weights = ", ".join(f"{name} {weight:.4g}" for name, weight in record.class_weights.items())
        _log.info("class loss: %s; b %g; w %s", record.formula, record.background_weight, weights)


def class_loss(
    settings: LossConfig, layout: Layout, scale: float | None, total: Total = one_process
) -> ClassLoss | None:
    """For a training on a layout; None: ultralytics' own. `scale`: the measured one, of a resumed training.

    Raises ConfigError as `bench.frequencies.class_weights` does.
    """
    if not settings.changes_classification:
        return None
    background = BACKGROUND_WEIGHT if settings.background_weight is None else settings.background_weight
    return ClassLoss(
        ExampleWeights.of(settings, layout.class_counts("train"), background=background), scale, total
    )


def put_into(criterion: Any, loss: ClassLoss) -> None:
    """`criterion`: ultralytics', of a model with one head or with two."""
    heads = [getattr(criterion, name, None) for name in ("one2many", "one2one")]
    for head in [head for head in heads if head is not None] or [criterion]:
        head.bce = loss.to(head.device)
