"""Focal factors of heads with one sigmoid per class: for hard targets, and for soft ones."""

import torch
from torch import Tensor


def focal_factor(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """|t - p|^gamma, p the sigmoid of the logits; of one shape, targets t between 0 and 1.

    Li et al. 2020 (Generalized Focal Loss), equation 5; with targets of 0 and 1 it is (1 - p_t)^gamma of Lin
    et al. 2017. Gradients flow through it. Half precision is computed, and returned, in single precision.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if not gamma:
        return torch.ones_like(logits)
    missed = (targets.to(logits) - logits.sigmoid()).abs()
    # Where t is p the power has no finite slope for a gamma under 1: none is taken there.
    factor: Tensor = missed.clamp(min=torch.finfo(missed.dtype).tiny) ** gamma
    return factor


def soft_focal_factor(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """The same with |t - p| relative to its maximum on that side of t:

        (1 - p / t)^gamma where p is under t,  ((p - t) / (1 - t))^gamma over it

    It is 0 where p is t and 1 where p is as wrong as it can be; for targets of 0 and 1 it is `focal_factor`.
    With a small target |t - p| is small for every p: an object whose box fits badly would count as solved.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if not gamma:
        return torch.ones_like(logits)
    targets = targets.to(logits)
    missed = targets - logits.sigmoid()
    tiny = torch.finfo(missed.dtype).tiny
    most = torch.where(missed > 0, targets, 1 - targets).clamp(min=tiny)
    factor: Tensor = (missed.abs() / most).clamp(min=tiny) ** gamma
    return factor
