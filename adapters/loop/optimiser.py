"""The optimiser of a stage: its parameter groups, with their rates and weight decay."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import SGD, AdamW, Optimizer

from bench.adapters.loop.trainable import Trainable
from bench.recipe import Recipe

DEFAULT_MOMENTUM = 0.9
"""SGD's momentum in torchvision's references, AdamW's beta1 in torch; DETR uses the same."""

_ADAM_BETA2 = 0.999  # torch's default; DETR's too

Group = dict[str, Any]
"""torch's (`params`, `lr`, `weight_decay`), with `name` and `peak_lr`."""


def groups(trainable: Trainable, recipe: Recipe) -> list[Group]:
    """Of the backbone and of the rest. Without `decay_norms`, parameters of one dimension (norms and biases)
    are in groups of their own, without weight decay.

    Groups of the same name have the same rate.
    """
    inside = {id(parameter) for module in trainable.parts["backbone"] for parameter in module.parameters()}
    free = [parameter for parameter in trainable.parameters() if parameter.requires_grad]
    rates = [
        ("backbone", recipe.backbone_lr, [parameter for parameter in free if id(parameter) in inside]),
        ("rest", recipe.lr, [parameter for parameter in free if id(parameter) not in inside]),
    ]
    found = []
    for name, rate, parameters in rates:
        for members, decay in _by_decay(parameters, recipe):
            found.append(
                {"name": name, "params": members, "peak_lr": rate, "lr": rate, "weight_decay": decay}
            )
    return [group for group in found if group["params"]]


def _by_decay(parameters: list[nn.Parameter], recipe: Recipe) -> list[tuple[list[nn.Parameter], float]]:
    decay = recipe.weight_decay or 0.0
    if recipe.decay_norms is not False:
        return [(parameters, decay)]
    return [
        ([parameter for parameter in parameters if parameter.dim() > 1], decay),
        ([parameter for parameter in parameters if parameter.dim() <= 1], 0.0),
    ]


def make(recipe: Recipe, first: list[Group]) -> Optimizer:
    """The recipe's optimiser, with the groups of the first stage."""
    momentum = DEFAULT_MOMENTUM if recipe.momentum is None else recipe.momentum
    if recipe.optimizer == "sgd":
        return SGD(first, lr=first[0]["lr"], momentum=momentum, fused=True)
    return AdamW(first, lr=first[0]["lr"], betas=(momentum, _ADAM_BETA2), fused=True)


def regroup(optimizer: Optimizer, new: Iterable[Group]) -> None:
    """Replace the groups. Parameters that stay keep their optimiser state; unfrozen ones start without."""
    new = list(new)
    learning: set[Tensor] = {parameter for group in new for parameter in group["params"]}
    for parameter in list(optimizer.state):
        if parameter not in learning:
            del optimizer.state[parameter]
    optimizer.param_groups.clear()
    for group in new:
        optimizer.add_param_group(group)


def step(optimizer: Optimizer, trainable: Trainable, *, clip_norm: float | None, scaler: GradScaler) -> None:
    """Clip, step, and clear the gradients."""
    scaler.unscale_(optimizer)
    if clip_norm:
        nn.utils.clip_grad_norm_(trainable.parameters(), clip_norm)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
