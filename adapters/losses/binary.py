"""The focusing factors of heads with a sigmoid a class: for hard targets, and for soft ones."""

import torch
from torch import Tensor


def focal_factor(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """|t - p|^gamma, p the sigmoid of the logits; of one shape, targets t between 0 and 1.

    Li et al. 2020 (Generalized Focal Loss), equation 5; with targets of 0 and 1 it is (1 - p_t)^gamma of Lin
    et al. 2017. Gradients flow through it. Half precision is computed, and answered, in single.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if not gamma:
        return torch.ones_like(logits)
    missed = (targets.to(logits) - logits.sigmoid()).abs()
    # Where t is p the power has no finite slope for a gamma under 1: none is taken there.
    factor: Tensor = missed.clamp(min=torch.finfo(missed.dtype).tiny) ** gamma
    return factor


def soft_focal_factor(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """The same with |t - p| as a share of the most that it can be on that side of t:

        (1 - p / t)^gamma where p is under t,  ((p - t) / (1 - t))^gamma over it

    It is 0 where p is t, 1 where p is as wrong as it can be, and for targets of 0 and 1 as `focal_factor`.
    With a small target |t - p| is small whatever p is: an object whose box fits badly would pass for one that
    is well answered.
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
