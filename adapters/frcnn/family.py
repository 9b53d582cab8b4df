"""The family `frcnn`: torchvision's Faster R-CNNs on our loop. Planning needs no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import registry
from bench.adapters import options as own_words
from bench.adapters.frcnn.variants import VARIANTS, Options, Variant
from bench.adapters.weights import published
from bench.detector import Detector, Plan
from bench.errors import ConfigError
from bench.recipe import Recipe
from bench.records import LedgerEntry

REFERENCE_BATCH = 16
"""torchvision's reference trains on 8 GPUs with 2 pictures each; SGD's rate goes with the batch."""

SGD_LR = 0.02  # references/detection/train.py, at REFERENCE_BATCH
SGD_WEIGHT_DECAY = 1e-4
SGD_WARMUP_EPOCHS = 1.0  # 1000 steps, or the first epoch where that is shorter
ADAMW_LR = 1e-4  # the reference of retinanet_resnet50_fpn_v2, the one detector that it trains with AdamW
ADAMW_WEIGHT_DECAY = 0.05

TINY_LR = 2e-3  # measured on the synthetic scenes
TINY_WEIGHT_DECAY = 1e-4


class FrcnnFamily:
    """Plans, builds and loads Faster R-CNNs."""

    name = "frcnn"
    variants: Mapping[str, str] = {name: variant.about for name, variant in VARIANTS.items()}

    def plan(
        self, *, variant: str | None, weights: str | None, options: Mapping[str, Any], recipe: Recipe
    ) -> Plan:
        name = variant or next(iter(VARIANTS))
        if name not in VARIANTS:
            raise registry.unknown("variant of frcnn", name, VARIANTS)
        chosen = VARIANTS[name]
        asked = weights or ("pretrained" if chosen.published else "none")
        full = _recipe(recipe, name, chosen)
        words = _resolved(own_words.read(Options, options, self.name), chosen, asked, full)
        start = published.start(asked, published=chosen.published, variant=f"frcnn:{name}")
        plan = Plan(
            family=self.name,
            variant=name,
            weights=start.weights,
            options=words.model_dump(mode="json"),
            recipe=full,
            pretrained_on=start.pretrained_on,
            ledger=_ledger(recipe, full, words, chosen),
        )
        if asked not in ("none", "pretrained"):  # a file that no publisher vouches for
            from bench.adapters.frcnn.weights import check_fit

            check_fit(plan)
        return plan

    def build(self, plan: Plan, *, classes: Sequence[str], seed: int, device: str) -> Detector:
        import torch

        from bench.adapters.frcnn.model import make
        from bench.adapters.frcnn.weights import start_from
        from bench.adapters.loop.detector import LoopDetector, Saved

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trainable = make(plan, len(classes))
        digest = None
        if plan.weights != "none":
            start_from(trainable, Path(plan.weights))
            digest = published.fingerprint(Path(plan.weights))
        saved = Saved(
            plan=plan, classes=tuple(classes), normalisation=normalisation(plan), weights_sha256=digest
        )
        return LoopDetector(trainable, saved, device=device)

    def load(self, path: Path, *, device: str) -> Detector:
        from bench.adapters.frcnn.model import make
        from bench.adapters.loop.detector import LoopDetector, load_weights, read_saved

        saved = read_saved(path, self.name)
        trainable = make(saved.plan, len(saved.classes))
        load_weights(trainable, path)
        return LoopDetector(trainable, saved, device=device)


def normalisation(plan: Plan) -> str:
    """The norm layers in words. torchvision changes them with the weights, and so do we."""
    if plan.weights == "none" or plan.variant == "tiny":
        return "batch norm, trained"
    if plan.variant == "resnet50_fpn_v2":
        return "batch norm in backbone, pyramid and head, trained on from the starting weights"
    return "frozen batch norm with the statistics of the starting weights"


def _resolved(options: Options, variant: Variant, weights: str, recipe: Recipe) -> Options:
    """Every word with the figure that holds. Raises ConfigError for words that the variant can't take."""
    layers = options.trainable_layers
    if layers is None:
        layers = variant.stages if weights == "none" else variant.trained_stages
    if layers > variant.stages:
        raise ConfigError(
            "the backbone has fewer stages",
            record="options.trainable_layers",
            value=layers,
            mend=f"say 0 to {variant.stages}" if variant.stages else "leave it out: this one trains whole",
        )
    if weights == "none" and layers < variant.stages:
        raise ConfigError(
            "random layers would stay as they are drawn",
            record="options.trainable_layers",
            value=layers,
            mend="leave it out, or start from weights",
        )
    _check_anchors(options, variant, weights)
    own: dict[str, Any] = {
        word: getattr(variant, word)
        for word in ("anchor_sizes", "proposals", "train_proposals", "box_samples", "rpn_samples")
        if getattr(options, word) is None
    }
    if "anchor_sizes" in own and not variant.published:
        zoom = (recipe.image_size or variant.image_size) / variant.image_size
        own["anchor_sizes"] = tuple(round(size * zoom) for size in variant.anchor_sizes)
    return options.model_copy(update={**own, "trainable_layers": layers})


def _check_anchors(options: Options, variant: Variant, weights: str) -> None:
    """The number of anchors is part of the network: a level has one size, weights fix the rest."""
    sizes = variant.anchor_sizes if options.anchor_sizes is None else options.anchor_sizes
    per_level = variant.stages == 5
    if len(sizes) != len(variant.anchor_sizes) and (per_level or weights != "none"):
        raise ConfigError(
            f"this variant has {len(variant.anchor_sizes)} sizes",
            record="options.anchor_sizes",
            value=list(sizes),
            mend="give as many, smallest first",
        )
    if len(options.anchor_ratios) != _RATIOS and weights != "none":
        raise ConfigError(
            f"the weights were trained with {_RATIOS} ratios",
            record="options.anchor_ratios",
            value=list(options.anchor_ratios),
            mend=f"give {_RATIOS}, or say weights: none",
        )


_RATIOS = 3


def _recipe(recipe: Recipe, name: str, variant: Variant) -> Recipe:
    """Open words with torchvision's published values; `tiny` has its own."""
    adamw = (recipe.optimizer or ("adamw" if name == "tiny" else "sgd")) == "adamw"
    if name == "tiny":
        lr, decay = TINY_LR, TINY_WEIGHT_DECAY
    elif adamw:
        lr, decay = ADAMW_LR, ADAMW_WEIGHT_DECAY
    else:
        lr, decay = SGD_LR * recipe.batch_size / REFERENCE_BATCH, SGD_WEIGHT_DECAY
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
    }
    return recipe.model_copy(
        update={word: value for word, value in usual.items() if getattr(recipe, word) is None}
    )


def _ledger(asked: Recipe, used: Recipe, options: Options, variant: Variant) -> tuple[LedgerEntry, ...]:
    entries = []
    if asked.image_size is None and variant.published:
        entries.append(
            LedgerEntry(
                word="image_size",
                asked="the family's own",
                used=f"long side {used.image_size}",
                why="torchvision fixes the short side; here the long side is matched for every detector",
            )
        )
    layers = options.trainable_layers
    if layers is not None and layers < variant.stages:
        entries.append(
            LedgerEntry(
                word="backbone_lr",
                asked=str(used.backbone_lr),
                used=f"{used.backbone_lr} in the upper {layers} of {variant.stages} stages, 0 below",
                why="torchvision fine-tunes so; option trainable_layers changes it",
            )
        )
    return tuple(entries)


FAMILY = FrcnnFamily()
