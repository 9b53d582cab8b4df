"""The family `detr`: transformers' DETR on our loop. Planning needs no torch.

Published values: Carion et al. 2020, End-to-End Object Detection with Transformers, section 4 and appendix
A.4, and the defaults of its code (facebookresearch/detr, main.py).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import registry
from bench.adapters import options as own_words
from bench.adapters.class_map import match
from bench.adapters.detr import checkpoint as detr_checkpoint
from bench.adapters.detr import queries
from bench.adapters.detr.options import ARCHITECTURES, FREE, DetrOptions, fitted, resnet_name
from bench.adapters.loop import augment, stages
from bench.adapters.losses.words import folded
from bench.adapters.weights import published as weights
from bench.detector import Detector, Plan
from bench.errors import ConfigError, RecipeError
from bench.layout import Example
from bench.loss import LossWords
from bench.recipe import Recipe
from bench.records import LedgerEntry

PUBLISHED = {"resnet-50": "facebook/detr-resnet-50", "resnet-101": "facebook/detr-resnet-101"}

PARTS = ("backbone", "encoder", "decoder", "head")
"""What `Detr.parts` will have."""

USUAL: dict[str, Any] = {
    "image_size": 1333,
    "optimizer": "adamw",
    "lr": 1e-4,
    "weight_decay": 1e-4,
    "schedule": "step",
    "warmup_epochs": 0.0,
    "clip_norm": 0.1,
    "decay_norms": True,
}

LOSS_HOMES = {
    "class_coefficient": "class_loss",
    "l1_coefficient": "box_loss",
    "iou_coefficient": "giou_loss",
    "class_cost": "class_cost",
    "l1_cost": "box_cost",
    "iou_cost": "giou_cost",
    "background_weight": "no_object_weight",
}
"""Words of `loss` -> ours."""

BACKBONE = "backbone"
"""`weights: backbone`: a ResNet trained on ImageNet, under a new transformer."""

BACKBONE_SHARE = 0.1
"""Rate of a pretrained backbone as a share of the rest's; a random one trains at the full rate."""

TINY_USUAL: dict[str, Any] = {
    "image_size": 96,
    "optimizer": "adamw",
    "lr": 1e-3,
    "weight_decay": 1e-4,
    "schedule": "cosine",
    "warmup_epochs": 5.0,
    "clip_norm": 1.0,
    "decay_norms": True,
}
"""Measured on the synthetic scenes."""


class DetrFamily:
    """Plans, builds and loads DETRs."""

    name = "detr"
    several_devices = True
    variants: Mapping[str, str] = {
        "resnet-50": "DETR with a ResNet-50, 41 million parameters",
        "resnet-101": "DETR with a ResNet-101, 60 million parameters",
        "tiny": "0.7 million parameters; learns the synthetic scenes from random weights",
    }

    def plan(
        self, *, variant: str | None, weights: str | None, options: Mapping[str, Any], recipe: Recipe
    ) -> Plan:
        """`weights` may also be 'backbone', or ORG/MODEL, a DETR of the Hugging Face hub, or a folder."""
        if variant is not None and variant not in self.variants:
            raise registry.unknown("variant of detr", variant, self.variants)
        name = variant or next(iter(self.variants))
        words = _words(options, recipe)
        asked = _asked(weights, words)
        if asked == BACKBONE:
            start, resolved = _on_backbone(name, words)
        elif (start := _start(name, asked)).weights == "none":
            resolved = words.filled(ARCHITECTURES[name])
        else:
            found = detr_checkpoint.architecture(Path(start.weights))
            if variant is None:
                name = _variant_of(found, Path(start.weights))
            elif found.backbone != ARCHITECTURES[name].backbone:
                raise ConfigError(
                    f"the weights {start.weights} have another backbone",
                    record="variant",
                    value=variant,
                    mend="leave the variant out: the weights say what they are",
                )
            resolved = fitted(words, found, start.weights)
        resolved = _checked(_scored(resolved, words, recipe), start.weights)
        full = _recipe(recipe, tiny=name == "tiny", random=start.weights == "none")
        _check_recipe(full, resolved)
        plan = Plan(
            family=self.name,
            variant=name,
            weights=start.weights,
            options=resolved.model_dump(mode="json"),
            recipe=full,
            pretrained_on=start.pretrained_on,
            ledger=_ledger(recipe, full, start.weights) + augment.ledger(resolved.augment, full),
        )
        if asked not in (None, "none", "pretrained", BACKBONE):  # a folder that no publisher vouches for
            _check_fit(plan)
        return plan

    def check(self, plan: Plan, *, classes: Sequence[str], pictures: Sequence[Example], device: str) -> None:
        queries.most_objects(pictures, plan.options["queries"])
        if not plan.recipe.trains:
            match(classes, detr_checkpoint.classes(Path(plan.weights)), weights=plan.weights)

    def build(self, plan: Plan, *, classes: Sequence[str], seed: int, device: str) -> Detector:
        import torch

        from bench.adapters.detr import backbone
        from bench.adapters.detr.model import make
        from bench.adapters.detr.weights import known_classes, start_from
        from bench.adapters.loop.detector import LoopDetector, Saved

        carried = known_classes(plan, classes)
        others = carried.others if carried else ()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trainable = make(plan, (*classes, *others))
        digest = None
        if plan.options["backbone_weights"] != "none":
            backbone.fill(trainable, Path(plan.weights))
            digest = weights.fingerprint(backbone.file_of(Path(plan.weights)))
        elif plan.weights != "none":
            start_from(trainable, Path(plan.weights), classes, carried)
            digest = weights.fingerprint(detr_checkpoint.tensors_file(Path(plan.weights)))
        saved = Saved(
            plan=plan,
            classes=tuple(classes),
            normalisation=normalisation(plan),
            weights_sha256=digest,
            class_map=carried.named() if carried else {},
            others=others,
        )
        return LoopDetector(trainable, saved, device=device)

    def load(self, path: Path, *, device: str) -> Detector:
        from bench.adapters.detr.model import make
        from bench.adapters.loop.detector import LoopDetector, load_weights, read_saved

        saved = read_saved(path, self.name)
        trainable = make(saved.plan, saved.head)
        load_weights(trainable, path)
        return LoopDetector(trainable, saved, device=device)


def normalisation(plan: Plan) -> str:
    """The backbone's norm layers in words."""
    if plan.options["norm"] == "batch":
        return "batch norm, trained"
    return "frozen batch norm with the statistics of the starting weights"


def _start(variant: str, asked: str | None) -> weights.Start:
    published = PUBLISHED.get(variant)
    return weights.start(
        asked or ("pretrained" if published else "none"), published=published, variant=f"detr:{variant}"
    )


def _check_fit(plan: Plan) -> None:
    from bench.adapters.detr.weights import check_fit

    check_fit(plan)


def _asked(asked: str | None, options: DetrOptions) -> str | None:
    """`asked`, or 'backbone' where a backbone's file says so. Raises ConfigError for two kinds of weights."""
    file = options.backbone_weights
    if file == "none" or asked == BACKBONE:
        return asked
    if asked in (None, file):
        return BACKBONE
    raise ConfigError(
        f"contradicts weights: {asked}",
        record="options.backbone_weights",
        value=file,
        mend="say weights: backbone",
    )


def _on_backbone(variant: str, options: DetrOptions) -> tuple[weights.Start, DetrOptions]:
    """The ResNet to start from, and the options with all words of the architecture. Raises WeightsError."""
    resolved = options.filled(ARCHITECTURES[variant])
    file = options.backbone_weights
    start = weights.start(
        "pretrained" if file == "none" else file,
        published=resnet_name(resolved.backbone),
        variant=f"the backbone of detr:{variant}",
    )
    if file != "none":  # one that no publisher vouches for
        from bench.adapters.detr import backbone

        backbone.check(resolved, Path(start.weights))
    told = weights.Start(start.weights, f"{start.pretrained_on} (backbone only)")
    return told, resolved.model_copy(update={"backbone_weights": start.weights})


def _variant_of(found: DetrOptions, folder: Path) -> str:
    """The variant that has this architecture, else the folder's name."""
    told = found.model_dump(exclude=set(FREE))
    for name, architecture in ARCHITECTURES.items():
        if architecture.model_dump(exclude=set(FREE)) == told:
            return name
    return folder.name


def _checked(options: DetrOptions, weights: str) -> DetrOptions:
    """With the norm layers that fit the weights. Raises ConfigError for words that can't go together."""
    if weights == "none" and options.norm == "frozen":
        raise ConfigError(
            "frozen batch norm does nothing at all without statistics from pretrained weights",
            record="options.norm",
            value=options.norm,
            mend="leave it out, or say batch",
        )
    assert options.width is not None and options.heads is not None, "options are resolved"
    if options.width % options.heads or options.width % 2:
        raise ConfigError(
            f"must be even, and {options.heads} heads must share it equally",
            record="options.width",
            value=options.width,
        )
    return options.model_copy(update={"norm": options.norm or ("batch" if weights == "none" else "frozen")})


def _words(options: Mapping[str, Any], recipe: Recipe) -> DetrOptions:
    """The family's own words, with what `loss` says of them. Raises ConfigError."""
    if recipe.loss.background_weight == 0:
        raise ConfigError(
            "queries without an object would never learn to be silent",
            record="loss.background_weight",
            value=recipe.loss.background_weight,
            mend="say more than 0; DETR's own is 0.1",
        )
    words = own_words.read(DetrOptions, folded(recipe.loss, options, LOSS_HOMES), "detr")
    if words.focal is not None and not _trains(recipe):
        raise ConfigError(
            "nothing is trained: the weights know how they are to be scored",
            record="options.focal",
            value=words.focal,
            mend="leave it out",
        )
    _check_loss(recipe.loss, words)
    return words


def _trains(recipe: Recipe) -> bool:
    return recipe.epochs > 0 or recipe.budget is not None


def _check_loss(words: LossWords, options: DetrOptions) -> None:
    """Raises ConfigError where the loss and the way to score do not go together."""
    if options.focal == "sigmoid" and not words.focal:
        raise ConfigError(
            f"does not go with classification: {words.classification}",
            record="options.focal",
            value=options.focal,
            mend="say loss.classification: focal or weighted_focal, or leave it out",
        )
    if options.focal == "sigmoid" and words.label_smoothing:
        raise ConfigError(
            "smooths a softmax; this head has a sigmoid a class",
            record="loss.label_smoothing",
            value=words.label_smoothing,
            mend="leave it out, or say options.focal: softmax",
        )


def _scored(resolved: DetrOptions, said: DetrOptions, recipe: Recipe) -> DetrOptions:
    """With the head's way to score: the checkpoint's where nothing is trained, else what the loss asks for.

    A sigmoid a class has no weight of `no object`, as Deformable DETR's, unless one is said.
    """
    if not _trains(recipe):
        return resolved.model_copy(update={"focal": resolved.focal or "softmax"})
    focal = said.focal or "softmax"
    weight = said.no_object_weight
    if weight is None:
        weight = 1.0 if focal == "sigmoid" else resolved.no_object_weight
    return resolved.model_copy(update={"focal": focal, "no_object_weight": weight})


def _check_recipe(recipe: Recipe, options: DetrOptions) -> None:
    """Raises RecipeError for sizes that the backbone or the augmentation can't take. `recipe` is resolved."""
    if recipe.input_size.short < options.stride:
        raise RecipeError(
            f"the backbone shrinks a picture {options.stride} times: nothing would be left of it",
            record="train.image_size",
            value=recipe.image_size,
            mend=f"say {options.stride} or more, or give the backbone fewer stages",
        )
    augment.check(options.augment, recipe)


def _recipe(recipe: Recipe, *, tiny: bool, random: bool) -> Recipe:
    """With the family's own values where the recipe is open. Raises RecipeError."""
    if recipe.optimizer == "sgd" and recipe.lr is None:
        raise RecipeError(
            "nobody has published an SGD rate for DETR", record="train.lr", mend="say which, or use adamw"
        )
    usual = dict(TINY_USUAL if tiny else USUAL)
    usual["warmup_epochs"] = min(usual["warmup_epochs"], recipe.epochs / 10)
    lr = recipe.lr or usual["lr"]
    usual |= {"backbone_lr": lr if random else lr * BACKBONE_SHARE, "momentum": 0.9}
    full = recipe.model_copy(
        update={word: value for word, value in usual.items() if getattr(recipe, word) is None}
    )
    return stages.resolved(full, PARTS, "detr")


def _ledger(asked: Recipe, used: Recipe, weights: str) -> tuple[LedgerEntry, ...]:
    entries = []
    if asked.image_size is None and weights != "none":
        entries.append(
            LedgerEntry(
                word="image_size",
                asked="the family's own",
                used=str(used.input_size),
                why="DETR fixes the short side too; here the long side is matched for every detector",
            )
        )
    if weights != "none":
        entries.append(
            LedgerEntry(
                word="backbone_lr",
                asked=str(used.backbone_lr),
                used=f"{used.backbone_lr}, 0 for the stem and the first stage",
                why="DETR trains pretrained backbones so",
            )
        )
    return tuple(entries)


FAMILY = DetrFamily()
