"""The recipe and the options, resolved, and as arguments of ultralytics. Light."""

from collections.abc import Mapping
from typing import Any

from bench.adapters.losses.planning import refuse_settings
from bench.adapters.training import stages
from bench.adapters.yolo.options import YoloOptions
from bench.adapters.yolo.schedule import schedules_steps
from bench.adapters.yolo.variants import Defaults
from bench.devices import on_gpu
from bench.errors import ConfigError, RecipeError
from bench.loss import LossConfig
from bench.recipe import Recipe

STRIDE = 32
"""ultralytics rounds the input size up to a multiple of the coarsest stride, which is at least this."""

SGD_LR = 0.01
ADAMW_LR = 0.001
"""What default.yaml recommends beside `lr0`, for every batch: ultralytics sums the loss over the images
of a step, so that four steps of 16 images go as far as one of the nominal 64."""

CLIP_NORM = 10.0
"""Fixed in BaseTrainer.optimizer_step."""

EMA_DECAY = 0.9999
"""Default of ultralytics' ModelEMA."""

OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD"}
MOMENTA = {"adamw": 0.9, "sgd": 0.937}

PARTS = ("backbone", stages.HEAD)
"""The two lists of layers in the yaml of a YOLO; the neck is a part of the second."""

LOSS_OPTIONS = {"class_coefficient": "cls", "iou_coefficient": "box"}
"""Settings of `loss` -> the options that hold them."""

NOT_ULTRALYTICS = ("augment", "albumentations", "multi_label", "auto_optimizer")
"""Options that are no arguments of ultralytics."""


def resolve(recipe: Recipe, defaults: Defaults, options: YoloOptions) -> Recipe:
    """The recipe, resolved except for what auto_optimizer decides."""
    size = recipe.long_side or defaults.image_size
    known: dict[str, Any] = {
        "image_size": -(-size // STRIDE) * STRIDE,
        "weight_decay": 0.0005 if recipe.weight_decay is None else recipe.weight_decay,
        "decay_norms": bool(recipe.decay_norms),
        "schedule": recipe.schedule or defaults.schedule,
        "warmup_epochs": warmup(recipe, defaults),
        "clip_norm": CLIP_NORM if recipe.clip_norm is None else recipe.clip_norm,
        "ema": recipe.ema or EMA_DECAY,
    }
    if not options.auto_optimizer:
        optimizer = recipe.optimizer or defaults.optimizer
        lr = recipe.lr or defaults.lr(optimizer) or usual_lr(optimizer)
        known |= {
            "optimizer": optimizer,
            "lr": lr,
            "backbone_lr": lr if recipe.backbone_lr is None else recipe.backbone_lr,
            "momentum": MOMENTA[optimizer] if recipe.momentum is None else recipe.momentum,
        }
    resolved = recipe.model_copy(update=known)
    return resolved.model_copy(update={"stages": stages.filled(resolved)})


def check(recipe: Recipe, options: YoloOptions, model: str) -> None:
    """Raises RecipeError for frozen parts that do not exist, and for a rate beside auto_optimizer."""
    stages.check(recipe, PARTS, model)
    if not options.auto_optimizer:
        return
    given = {
        f"train.{setting}": getattr(recipe, setting)
        for setting in ("optimizer", "lr", "backbone_lr", "momentum")
    }
    for number, stage in enumerate(recipe.stages, start=1):
        given |= {
            f"train.stages, stage {number}, {setting}": getattr(stage, setting)
            for setting in ("lr", "backbone_lr")
        }
    for record, value in given.items():
        if value is not None:
            setting = record.rpartition(".")[2].rpartition(" ")[2]
            raise RecipeError(
                f"auto_optimizer leaves `{setting}` to ultralytics",
                record=record,
                value=value,
                hint=f"leave `{setting}` out, or auto_optimizer",
            )


def check_loss(settings: LossConfig, options: YoloOptions) -> None:
    """Raises RecipeError for settings that YOLO's losses lack, ConfigError for class weights given twice."""
    refuse_settings(
        settings, ("l1_coefficient",), "YOLO has no L1 loss of the boxes: beside their IoU it has `dfl`"
    )
    refuse_settings(
        settings, ("class_cost", "l1_cost", "iou_cost"), "YOLO matches by its own rule, which has no costs"
    )
    if settings.label_smoothing:
        raise RecipeError(
            "YOLO's targets are soft already: each says how well a prediction fits its box",
            record="loss.label_smoothing",
            value=settings.label_smoothing,
            hint="leave it out for this model",
        )
    if settings.weighted and options.cls_pw:
        raise ConfigError(
            f"loss.classification: {settings.classification} weighs the classes, too",
            record="options.cls_pw",
            value=options.cls_pw,
            hint="leave one of the two out",
        )


def usual_lr(optimizer: str) -> float:
    """The published rate."""
    return SGD_LR if optimizer == "sgd" else ADAMW_LR


def warmup(recipe: Recipe, defaults: Defaults) -> float:
    """ultralytics has at least its last epoch without warm-up, where it sets the rates."""
    asked = defaults.warmup_epochs if recipe.warmup_epochs is None else recipe.warmup_epochs
    if recipe.budget is not None or recipe.stages:
        return asked
    return float(min(asked, max(recipe.epochs - 1, 0)))


def training_args(
    recipe: Recipe, options: Mapping[str, Any], *, epochs: int, seed: int, device: str
) -> dict[str, Any]:
    """ultralytics' arguments for a resolved recipe. The rest of the recipe is in the trainer's hooks.

    `nbs` equals the batch, so that ultralytics neither scales the weight decay nor accumulates: it asks for a
    step after each batch, and ours waits for `accumulate` of them. ultralytics would begin with smaller
    steps, carry a part of a step over to the next epoch, and lose the last one. `patience` 0 leaves early
    stopping to the harness. Nothing is plotted or cached.
    """
    own = {setting: value for setting, value in options.items() if setting not in NOT_ULTRALYTICS}
    own["warmup_bias_lr"] = _bias_lr(recipe, own["warmup_bias_lr"])
    if not options["albumentations"]:
        own["augmentations"] = []  # None: what ultralytics adds where the package is installed
    settings: dict[str, Any] = {
        "task": "detect",
        "mode": "train",
        "epochs": max(epochs, 1),  # the gates make a trainer without training
        "batch": recipe.batch,
        "nbs": recipe.batch,
        "imgsz": recipe.image_size,
        "weight_decay": recipe.weight_decay,
        "lrf": 1.0 if recipe.schedule == "constant" else recipe.final_lr_share,
        "cos_lr": recipe.schedule == "cosine",
        "warmup_epochs": 0.0 if schedules_steps(recipe) else recipe.warmup_epochs,
        "fliplr": recipe.flip,
        "multi_scale": recipe.multi_scale,
        "compile": recipe.compile,
        "channels_last": recipe.channels_last and on_gpu(device),  # there the trainer sees to it
        "workers": recipe.workers,
        "seed": seed,
        "device": device_argument(device),
        "deterministic": True,
        "patience": 0,
        "plots": False,
        "cache": False,
        "exist_ok": True,
        "pretrained": False,
        "optimizer": "auto",
    }
    if recipe.optimizer is not None:
        settings |= {
            "optimizer": OPTIMIZERS[recipe.optimizer],
            "lr0": recipe.lr,
            "momentum": recipe.momentum,
        }
    return {**own, **settings}


def device_argument(device: str) -> str:
    """'cpu' -> 'cpu', 'cuda:1' -> '1'."""
    return (device.partition(":")[2] or "0") if on_gpu(device) else device


def _bias_lr(recipe: Recipe, asked: float | None) -> float:
    """default.yaml's 0.1 is meant for SGD; ultralytics' own choice of AdamW sets it to 0."""
    if asked is not None:
        return asked
    return 0.1 if recipe.optimizer == "sgd" else 0.0
