"""ultralytics' optimiser by the recipe: rates and weight decay of its parameter groups, and frozen layers."""

from collections.abc import Collection, Sequence
from typing import Any

from torch.optim import Optimizer

from bench.adapters.training.stages import ALL_BUT_HEAD, ResolvedStage
from bench.adapters.yolo.schedule import Rate
from bench.recipe import Part, Recipe

BACKBONE = "backbone "
"""Begins the names of the parameter groups that have the backbone's rate."""


def backbone_layers(model: Any) -> int:
    """How many of a DetectionModel's layers, from the first, are its backbone."""
    return len(model.yaml["backbone"])


def frozen_layers(parts: Collection[Part], model: Any) -> list[int]:
    """Indices of the layers that do not learn; the Detect layer, the last, is the head."""
    if ALL_BUT_HEAD in parts:
        return list(range(len(model.model) - 1))
    return list(range(backbone_layers(model))) if "backbone" in parts else []


def regroup(
    optimizer: Optimizer, model: Any, recipe: Recipe, stages: Sequence[ResolvedStage], decay: float
) -> None:
    """ultralytics' groups (weights, norms, biases), each split in two where the backbone has its own rate."""
    if recipe.decay_norms:
        for group in optimizer.param_groups:
            group["weight_decay"] = decay
    if all(stage.recipe.backbone_lr in (None, 0, stage.recipe.lr) for stage in stages):
        return
    own = {id(parameter) for parameter in model.model[: backbone_layers(model)].parameters()}
    for group in list(optimizer.param_groups):
        backbone = [parameter for parameter in group["params"] if id(parameter) in own]
        group["params"] = [parameter for parameter in group["params"] if id(parameter) not in own]
        # Not called "bias", its biases warm up from 0 and not from 0.1.
        name = BACKBONE + group["param_group"]
        optimizer.add_param_group(
            {**group, "params": backbone, "lr": recipe.backbone_lr, "param_group": name}
        )


def set_rates(optimizer: Optimizer, rate: Rate, args: Any) -> None:
    """As ultralytics' warm-up: biases fall from `warmup_bias_lr`, all else rises from 0, momentum too."""
    for group in optimizer.param_groups:
        name = group["param_group"]
        peak = rate.backbone_lr if name.startswith(BACKBONE) else rate.lr
        start = args.warmup_bias_lr if name == "bias" else 0.0
        peak = group["initial_lr"] if peak is None else peak
        group["lr"] = peak * rate.factor + start * (1 - rate.warmup)
        if "momentum" in group:
            group["momentum"] = args.warmup_momentum + (args.momentum - args.warmup_momentum) * rate.warmup
