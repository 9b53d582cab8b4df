"""What the recipes of query detectors share. No torch.

They inherit them from DETR: Carion et al. 2020, appendix A.4; Zhang et al. 2022 (DINO), appendix D.
"""

from collections.abc import Mapping
from typing import Any, Literal

from bench.adapters.losses.planning import with_family_defaults
from bench.adapters.training import stages
from bench.errors import ConfigError, RecipeError
from bench.recipe import Recipe
from bench.records import LedgerEntry

PARTS = ("backbone", "encoder", "decoder", "head")
"""The keys of `QueryTrainable.parts`."""

DEFAULTS: dict[str, Any] = {
    "image_size": 1333,
    "optimizer": "adamw",
    "lr": 1e-4,
    "weight_decay": 1e-4,
    "schedule": "step",
    "warmup_epochs": 0.0,
    "clip_norm": 0.1,
    "decay_norms": True,
}

LOSS_OPTIONS = {
    "class_coefficient": "class_loss",
    "l1_coefficient": "box_loss",
    "iou_coefficient": "giou_loss",
    "class_cost": "class_cost",
    "l1_cost": "box_cost",
    "iou_cost": "giou_cost",
}
"""Settings of `loss` -> options."""

BACKBONE_LR_RATIO = 0.1
"""Rate of a pretrained backbone relative to the rest; a random one trains at the full rate."""

Norm = Literal["batch", "frozen"]


def norm_layers(asked: Norm | None, weights: str) -> Norm:
    """The batch norm that fits the weights. Raises ConfigError for one that does not."""
    if weights == "none" and asked == "frozen":
        raise ConfigError(
            "frozen batch norm does nothing at all without statistics from pretrained weights",
            record="options.norm",
            value=asked,
            hint="leave it out, or say batch",
        )
    return asked or ("batch" if weights == "none" else "frozen")


def norm_layers_in_words(norm: Norm) -> str:
    if norm == "batch":
        return "batch norm, trained"
    return "frozen batch norm with the statistics of the starting weights"


def check_size(recipe: Recipe, stride: int) -> None:
    """Raises RecipeError where an image of a resolved recipe is smaller than a cell of the last features."""
    if recipe.input_size.short < stride:
        raise RecipeError(
            f"the network shrinks an image {stride} times: nothing would be left of it",
            record="train.image_size",
            value=recipe.image_size,
            hint=f"set {stride} or more, or fewer stages or levels",
        )


def recipe(
    asked: Recipe, usual: Mapping[str, Any], loss: Mapping[str, float], *, random: bool, family: str
) -> Recipe:
    """With `usual` values for settings that are None, and the family's `loss` figures. Raises RecipeError.

    Args:
        usual: settings of the recipe; `backbone_lr_ratio` in place of BACKBONE_LR_RATIO.
        random: whether the backbone starts from random weights.
    """
    if asked.optimizer == "sgd" and asked.lr is None:
        raise RecipeError(
            f"no SGD rate is published for {family}", record="train.lr", hint="set it, or use adamw"
        )
    usual = dict(usual)
    ratio = usual.pop("backbone_lr_ratio", BACKBONE_LR_RATIO)
    lr = asked.lr or usual["lr"]
    filled = {
        **usual,
        "warmup_epochs": min(usual["warmup_epochs"], asked.epochs / 10),
        "backbone_lr": lr if random else lr * ratio,
        "momentum": 0.9,
    }
    open_settings = {name: value for name, value in filled.items() if getattr(asked, name) is None}
    full = asked.model_copy(update=open_settings)
    return stages.resolved(with_family_defaults(full, loss), PARTS, family)


def frozen_layers(used: Recipe, weights: str) -> tuple[LedgerEntry, ...]:
    """That a pretrained backbone does not train whole."""
    if weights == "none":
        return ()
    return (
        LedgerEntry(
            setting="backbone_lr",
            asked=str(used.backbone_lr),
            used=f"{used.backbone_lr}, 0 for the stem and the first stage",
            why="its authors train pretrained backbones so",
        ),
    )
