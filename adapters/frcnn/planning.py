"""Resolves Faster R-CNN's options and recipe for a plan. No torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.adapters.frcnn.variants import Options, Variant
from bench.adapters.losses.planning import with_family_defaults
from bench.adapters.training import stages
from bench.detector import SCORE_FLOOR
from bench.errors import ConfigError, RecipeError, WeightsError
from bench.recipe import Recipe
from bench.records import LedgerEntry

REFERENCE_BATCH = 16
"""torchvision's reference trains on 8 GPUs with 2 images each; SGD's rate is proportional to the batch."""

SGD_LR = 0.02  # references/detection/train.py, at REFERENCE_BATCH
SGD_WEIGHT_DECAY = 1e-4
SGD_WARMUP_EPOCHS = 1.0  # 1000 steps, or the first epoch where that is shorter
ADAMW_LR = 1e-4  # the reference of retinanet_resnet50_fpn_v2, the one detector that it trains with AdamW
ADAMW_WEIGHT_DECAY = 0.05

LOSS_COEFFICIENTS = {"class_coefficient": 1.0, "l1_coefficient": 1.0}
"""torchvision sums its losses unweighted."""

PARTS = ("backbone", "head")
"""The keys of `FasterRcnn.parts`."""

TINY_LR = 2e-3  # measured on the synthetic scenes
TINY_WEIGHT_DECAY = 1e-4

_ANCHOR_SETTINGS = ("anchors", "anchor_sizes", "anchor_ratios")


def inherited(options: Mapping[str, Any], weights: str) -> dict[str, Any]:
    """The anchors that a checkpoint of ours was trained with, unless given: they are in no tensor."""
    file = Path(weights).expanduser() / "detector.json"
    if any(setting in options for setting in _ANCHOR_SETTINGS) or not file.is_file():
        return {}
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))["plan"]["options"]
        return {setting: saved[setting] for setting in _ANCHOR_SETTINGS if setting in saved}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"can't be read: {error}", file=file) from None


def resolved(options: Options, variant: Variant, weights: str, recipe: Recipe) -> Options:
    """All options with their values. Raises ConfigError for options that the variant can't take."""
    layers = options.trainable_layers
    if layers is None:
        layers = variant.stages if weights == "none" else variant.trained_stages
    if layers > variant.stages:
        raise ConfigError(
            "the backbone has fewer stages",
            record="options.trainable_layers",
            value=layers,
            hint=f"say 0 to {variant.stages}" if variant.stages else "leave it out: this one trains whole",
        )
    if weights == "none" and layers < variant.stages:
        raise ConfigError(
            "random layers would stay as they are drawn",
            record="options.trainable_layers",
            value=layers,
            hint="leave it out, or start from weights",
        )
    _check_anchors(options, variant, weights)
    norm = _norm(options, variant, weights)
    own: dict[str, Any] = {
        setting: getattr(variant, setting)
        for setting in ("anchor_sizes", "proposals", "train_proposals", "box_samples", "rpn_samples")
        if getattr(options, setting) is None
    }
    if "anchor_sizes" in own and not variant.published:
        zoom = recipe.input_size.long / variant.image_size
        own["anchor_sizes"] = tuple(round(size * zoom) for size in variant.anchor_sizes)
    return _with_candidates(options.model_copy(update={**own, "trainable_layers": layers, "norm": norm}))


def _with_candidates(options: Options) -> Options:
    """By default as many regions before NMS as after it. Raises ConfigError for fewer."""
    found: dict[str, Any] = {}
    for setting in ("proposals", "train_proposals"):
        kept, before = getattr(options, setting), getattr(options, f"{setting}_before_nms")
        if before is not None and before < kept:
            raise ConfigError(
                f"fewer than the {kept} of {setting} that are to be left",
                record=f"options.{setting}_before_nms",
                value=before,
                hint=f"say {kept} or more, or a smaller {setting}",
            )
        found[f"{setting}_before_nms"] = before or kept
    return options.model_copy(update=found)


def _norm(options: Options, variant: Variant, weights: str) -> str:
    """Frozen with weights, as in torchvision, except for networks that it trains with batch norm."""
    own_batch = variant.stages == 0 or variant.published == "fasterrcnn_resnet50_fpn_v2"
    if options.norm == "frozen" and weights == "none":
        raise ConfigError(
            "frozen batch norm does nothing at all without statistics from pretrained weights",
            record="options.norm",
            value=options.norm,
            hint="leave it out, or say batch",
        )
    if options.norm == "frozen" and variant.stages == 0:
        raise ConfigError(
            "this variant has no frozen norm", record="options.norm", value=options.norm, hint="say batch"
        )
    return options.norm or ("batch" if weights == "none" or own_batch else "frozen")


def _check_anchors(options: Options, variant: Variant, weights: str) -> None:
    """The number of anchors is part of the network: one size per level, the rest fixed by published weights.

    For other weights `check_fit` compares the tensors.
    """
    if isinstance(options.anchors, tuple):
        _check_shapes(len(options.anchors), variant, weights)
    sizes = variant.anchor_sizes if options.anchor_sizes is None else options.anchor_sizes
    per_level = variant.stages == 5
    if len(sizes) != len(variant.anchor_sizes) and (per_level or weights == "pretrained"):
        raise ConfigError(
            f"this variant has {len(variant.anchor_sizes)} sizes",
            record="options.anchor_sizes",
            value=list(sizes),
            hint="give as many, smallest first",
        )
    if len(options.anchor_ratios) != _RATIOS and weights == "pretrained":
        raise ConfigError(
            f"the weights were trained with {_RATIOS} ratios",
            record="options.anchor_ratios",
            value=list(options.anchor_ratios),
            hint=f"give {_RATIOS}, or say weights: none",
        )


_RATIOS = 3


def _check_shapes(count: int, variant: Variant, weights: str) -> None:
    """Anchors given by width and height: as many per level, and as many as published weights have."""
    usual = len(variant.anchor_sizes) * _RATIOS
    if (weights == "pretrained" and count != usual) or count % variant.anchor_levels:
        wanted = (
            f"{usual}"
            if weights == "pretrained"
            else f"a multiple of {variant.anchor_levels}, one set a level"
        )
        raise ConfigError(f"there must be {wanted}", record="options.anchors", value=f"{count} shapes")


def recipe(recipe: Recipe, name: str, variant: Variant) -> Recipe:
    """None replaced by torchvision's published values; `tiny` has its own."""
    adamw = (recipe.optimizer or ("adamw" if name == "tiny" else "sgd")) == "adamw"
    if name == "tiny":
        lr, decay = TINY_LR, TINY_WEIGHT_DECAY
    elif adamw:
        lr, decay = ADAMW_LR, ADAMW_WEIGHT_DECAY
    else:
        lr, decay = _sgd_lr(recipe), SGD_WEIGHT_DECAY
    lr = recipe.lr or lr
    usual: dict[str, Any] = {
        "image_size": variant.image_size,
        "optimizer": "adamw" if adamw else "sgd",
        "lr": lr,
        "backbone_lr": lr,
        "momentum": 0.9,
        "weight_decay": decay,
        "schedule": "cosine" if name == "tiny" else "step",
        "warmup_epochs": min(SGD_WARMUP_EPOCHS, float(recipe.epochs)),
        "clip_norm": 0.0,
        "decay_norms": True,
    }
    full = recipe.model_copy(
        update={setting: value for setting, value in usual.items() if getattr(recipe, setting) is None}
    )
    return stages.resolved(with_family_defaults(full, LOSS_COEFFICIENTS), PARTS, "frcnn")


def _sgd_lr(recipe: Recipe) -> float:
    """The published rate is proportional to the batch. Raises RecipeError where neither is given."""
    if recipe.lr is not None:
        return recipe.lr
    if recipe.batch_size == "auto":
        raise RecipeError(
            "the published rate of SGD goes with the batch, which auto leaves open",
            record="train.lr",
            hint=f"say train.lr ({SGD_LR} is for {REFERENCE_BATCH} pictures in a step), or optimizer: adamw",
        )
    return SGD_LR * recipe.batch * recipe.accumulate / REFERENCE_BATCH


def ledger(asked: Recipe, used: Recipe, options: Options, variant: Variant) -> tuple[LedgerEntry, ...]:
    entries = []
    if asked.image_size is None and variant.published:
        entries.append(
            LedgerEntry(
                setting="image_size",
                asked="the family's own",
                used=str(used.input_size),
                why="torchvision fixes the short side; here the long side is matched for every detector",
            )
        )
    if options.box_score > SCORE_FLOOR:
        entries.append(
            LedgerEntry(
                setting="score floor",
                asked=f"{SCORE_FLOOR:g}",
                used=f"{options.box_score:g}",
                why="option box_score: the tail of the ranking is cut off, which costs AP",
            )
        )
    layers = options.trainable_layers
    if layers is not None and layers < variant.stages:
        entries.append(
            LedgerEntry(
                setting="backbone_lr",
                asked=str(used.backbone_lr),
                used=f"{used.backbone_lr} in the upper {layers} of {variant.stages} stages, 0 below",
                why="torchvision fine-tunes so; option trainable_layers changes it",
            )
        )
    return tuple(entries)
