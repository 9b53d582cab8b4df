"""The recipe's words and the family's own, settled before a training, and put into ultralytics'. Light."""

from collections.abc import Mapping
from typing import Any

from bench.adapters.yolo.options import YoloOptions
from bench.adapters.yolo.variants import Habits
from bench.recipe import Recipe
from bench.records import LedgerEntry

STRIDE = 32
"""ultralytics rounds the input size up to a multiple of the coarsest stride, which is at least this."""

NOMINAL_BATCH = 64
"""YOLOv8's published rate, 0.01 for SGD, is for steps of so many pictures (`nbs` in default.yaml)."""

SGD_LR = 0.01
ADAMW_LR = 0.001
"""What default.yaml recommends beside `lr0`."""

CLIP_NORM = 10.0
"""Fixed in BaseTrainer.optimizer_step."""

OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD"}

AUGMENTATIONS = (
    *("mosaic", "mixup", "cutmix", "hsv_h", "hsv_s", "hsv_v"),
    *("degrees", "translate", "scale", "shear", "perspective", "flipud", "bgr"),
)


def resolve(recipe: Recipe, habits: Habits, options: YoloOptions) -> Recipe:
    """The recipe, open only in `schedule` (None: ultralytics' linear one) and what auto_optimizer decides."""
    size = recipe.image_size or habits.image_size
    known: dict[str, Any] = {
        "image_size": -(-size // STRIDE) * STRIDE,
        "weight_decay": 0.0005 if recipe.weight_decay is None else recipe.weight_decay,
        "schedule": recipe.schedule or habits.schedule,
        "warmup_epochs": warmup(recipe, habits),
        "clip_norm": CLIP_NORM if recipe.clip_norm is None else recipe.clip_norm,
    }
    if not options.auto_optimizer:
        optimizer = recipe.optimizer or habits.optimizer
        lr = recipe.lr or habits.lr(optimizer) or usual_lr(optimizer, recipe.batch_size)
        known |= {
            "optimizer": optimizer,
            "lr": lr,
            "backbone_lr": lr if recipe.backbone_lr is None else recipe.backbone_lr,
            "momentum": recipe.momentum
            if recipe.momentum is not None
            else {"sgd": 0.937, "adamw": 0.9}[optimizer],
        }
    return recipe.model_copy(update=known)


def usual_lr(optimizer: str, batch_size: int) -> float:
    """SGD's published rate in proportion to the batch, so that it means the same without accumulation."""
    return SGD_LR * batch_size / NOMINAL_BATCH if optimizer == "sgd" else ADAMW_LR


def warmup(recipe: Recipe, habits: Habits) -> float:
    """ultralytics leaves at least the last epoch to the full rate."""
    asked = habits.warmup_epochs if recipe.warmup_epochs is None else recipe.warmup_epochs
    return float(min(asked, max(recipe.epochs - 1, 0)))


def ledger(asked: Recipe, used: Recipe, options: YoloOptions) -> tuple[LedgerEntry, ...]:
    """Where this family is not treated like the others."""
    entries = [
        _entry(
            "augmentation",
            f"flip {asked.flip:g}",
            f"flip {asked.flip:g} and {_augmentations(options)}",
            "YOLO's own recipe, without which it is not the YOLO that people use",
        ),
        _entry(
            "checkpoint",
            "the weights of the best epoch",
            "their exponential moving average, in half precision",
            "ultralytics keeps no other",
        ),
    ]
    if asked.image_size not in (None, used.image_size):
        entries.append(
            _entry("image_size", asked.image_size, used.image_size, f"must be a multiple of {STRIDE}")
        )
    if used.schedule is None:
        entries.append(
            _entry(
                "schedule",
                "the family's own",
                f"linear, down to {used.final_lr_share:g} of the peak rate",
                "ultralytics' own, for which the common words have no name",
            )
        )
    if asked.warmup_epochs not in (None, used.warmup_epochs):
        entries.append(
            _entry("warmup_epochs", asked.warmup_epochs, used.warmup_epochs, "the last epoch is not warm-up")
        )
    if asked.workers:
        entries.append(
            _entry("workers", asked.workers, "0 on a CPU", "ultralytics loads in its own process there")
        )
    if options.auto_optimizer:
        entries.append(
            _entry("optimizer", "auto", "what ultralytics chooses", "auto_optimizer: its own rule decides")
        )
    return tuple(entries)


def _entry(word: str, asked: object, used: object, why: str) -> LedgerEntry:
    return LedgerEntry(word=word, asked=str(asked), used=str(used), why=why)


def _augmentations(options: YoloOptions) -> str:
    words = options.model_dump()
    named = [f"{word} {words[word]:g}" for word in AUGMENTATIONS if words[word]]
    if options.mosaic and options.close_mosaic:
        named.insert(1, f"none of it in the last {options.close_mosaic} epochs")
    return ", ".join(named) or "nothing else"


def training_args(recipe: Recipe, options: Mapping[str, Any], *, seed: int, device: str) -> dict[str, Any]:
    """ultralytics' words for a resolved recipe. What it has no word for is in the trainer's own code.

    `nbs` equals the batch: no hidden accumulation of gradients, no hidden scaling of the weight decay.
    `patience` 0 leaves early stopping to the harness. Nothing is plotted, nothing cached.
    """
    own = {word: value for word, value in options.items() if word not in ("multi_label", "auto_optimizer")}
    own["warmup_bias_lr"] = _bias_lr(recipe, own["warmup_bias_lr"])
    words: dict[str, Any] = {
        "task": "detect",
        "mode": "train",
        "epochs": recipe.epochs,
        "batch": recipe.batch_size,
        "nbs": recipe.batch_size,
        "imgsz": recipe.image_size,
        "weight_decay": recipe.weight_decay,
        "lrf": 1.0 if recipe.schedule == "constant" else recipe.final_lr_share,
        "cos_lr": recipe.schedule == "cosine",
        "warmup_epochs": recipe.warmup_epochs,
        "fliplr": recipe.flip,
        "multi_scale": recipe.multi_scale,
        "workers": recipe.workers,
        "seed": seed,
        "device": device_word(device),
        "deterministic": True,
        "patience": 0,
        "plots": False,
        "cache": False,
        "exist_ok": True,
        "pretrained": False,
        "optimizer": "auto",
    }
    if recipe.optimizer is not None:
        words |= {
            "optimizer": OPTIMIZERS[recipe.optimizer],
            "lr0": recipe.lr,
            "momentum": recipe.momentum,
        }
    return {**own, **words}


def device_word(device: str) -> str:
    """'cpu' -> 'cpu', 'cuda:1' -> '1'."""
    return device if device == "cpu" else device.partition(":")[2] or "0"


def _bias_lr(recipe: Recipe, asked: float | None) -> float:
    """default.yaml's 0.1 is meant for SGD; ultralytics' own choice of AdamW sets it to 0."""
    if asked is not None:
        return asked
    return 0.1 if recipe.optimizer == "sgd" else 0.0
