"""The family `detr`: transformers' DETR on our loop. Planning needs no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.adapters.class_map import ClassMap, match
from bench.adapters.detr import checkpoint as detr_checkpoint
from bench.adapters.detr import planning
from bench.adapters.detr.options import ARCHITECTURES, FREE, DetrOptions, fitted, resnet_name
from bench.adapters.loop import augment
from bench.adapters.loop.family import LoopFamily
from bench.adapters.query import capacity
from bench.adapters.query.planning import norm_layers_in_words
from bench.adapters.weights import published as weights
from bench.detector import Plan
from bench.errors import ConfigError
from bench.layout import Example
from bench.recipe import Recipe

if TYPE_CHECKING:
    from bench.adapters.detr.model import Detr

PUBLISHED = {"resnet-50": "facebook/detr-resnet-50", "resnet-101": "facebook/detr-resnet-101"}

BACKBONE = "backbone"
"""`weights: backbone`: a ResNet trained on ImageNet, under a new transformer."""


class DetrFamily(LoopFamily):
    """Plans, builds and loads DETRs."""

    name = "detr"
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
        settings = planning.settings(options, recipe)
        asked = _asked_weights(weights, settings)
        if asked == BACKBONE:
            start, resolved = _on_backbone(name, settings)
        elif (start := _start(name, asked)).weights == "none":
            resolved = settings.filled(ARCHITECTURES[name])
        else:
            found = detr_checkpoint.architecture(Path(start.weights))
            if variant is None:
                name = _variant_of(found, Path(start.weights))
            elif found.backbone != ARCHITECTURES[name].backbone:
                raise ConfigError(
                    f"the weights {start.weights} have another backbone",
                    record="variant",
                    value=variant,
                    hint="leave the variant out: the weights say what they are",
                )
            resolved = fitted(settings, found, start.weights)
        resolved = planning.checked(planning.scored(resolved, settings, recipe), start.weights)
        full = planning.recipe(recipe, resolved, tiny=name == "tiny", random=start.weights == "none")
        planning.check_recipe(full, resolved)
        plan = Plan(
            family=self.name,
            variant=name,
            weights=start.weights,
            options=resolved.model_dump(mode="json"),
            recipe=full,
            pretrained_on=start.pretrained_on,
            ledger=planning.ledger(recipe, full, start.weights) + augment.ledger(resolved.augment, full),
        )
        if asked not in (None, "none", "pretrained", BACKBONE):  # a folder that no publisher vouches for
            _check_fit(plan)
        return plan

    def check(self, plan: Plan, *, classes: Sequence[str], images: Sequence[Example], device: str) -> None:
        capacity.most_objects(images, plan.options["queries"])
        if not plan.recipe.trains:
            match(classes, detr_checkpoint.classes(Path(plan.weights)), weights=plan.weights)

    def make(self, plan: Plan, head: Sequence[str]) -> "Detr":
        from bench.adapters.detr.model import make

        return make(plan, head)

    def known_classes(self, plan: Plan, classes: Sequence[str]) -> ClassMap | None:
        from bench.adapters.detr.weights import known_classes

        return known_classes(plan, classes)

    def start(self, trainable: Any, plan: Plan, classes: Sequence[str], carried: ClassMap | None) -> str:
        from bench.adapters.detr import backbone
        from bench.adapters.detr.weights import start_from

        source = Path(plan.weights)
        if plan.options["backbone_weights"] != "none":
            backbone.fill(trainable, source)
            return weights.fingerprint(backbone.file_of(source))
        start_from(trainable, source, classes, carried)
        return weights.fingerprint(detr_checkpoint.tensors_file(source))

    def normalisation(self, plan: Plan) -> str:
        return norm_layers_in_words(plan.options["norm"])


def _start(variant: str, asked: str | None) -> weights.InitialWeights:
    published = PUBLISHED.get(variant)
    return weights.resolve(
        asked or ("pretrained" if published else "none"), published=published, variant=f"detr:{variant}"
    )


def _check_fit(plan: Plan) -> None:
    from bench.adapters.detr.weights import check_fit

    check_fit(plan)


def _asked_weights(asked: str | None, options: DetrOptions) -> str | None:
    """`asked`, or 'backbone' if `backbone_weights` is given. Raises ConfigError for two kinds of weights."""
    file = options.backbone_weights
    if file == "none" or asked == BACKBONE:
        return asked
    if asked in (None, file):
        return BACKBONE
    raise ConfigError(
        f"contradicts weights: {asked}",
        record="options.backbone_weights",
        value=file,
        hint="say weights: backbone",
    )


def _on_backbone(variant: str, options: DetrOptions) -> tuple[weights.InitialWeights, DetrOptions]:
    """The ResNet to start from, and the resolved options. Raises WeightsError."""
    resolved = options.filled(ARCHITECTURES[variant])
    file = options.backbone_weights
    start = weights.resolve(
        "pretrained" if file == "none" else file,
        published=resnet_name(resolved.backbone),
        variant=f"the backbone of detr:{variant}",
    )
    if file != "none":  # one that no publisher vouches for
        from bench.adapters.detr import backbone

        backbone.check(resolved, Path(start.weights))
    initial = weights.InitialWeights(start.weights, f"{start.pretrained_on} (backbone only)")
    return initial, resolved.model_copy(update={"backbone_weights": start.weights})


def _variant_of(found: DetrOptions, folder: Path) -> str:
    """The variant that has this architecture, else the folder's name."""
    wanted = found.model_dump(exclude=set(FREE))
    for name, architecture in ARCHITECTURES.items():
        if architecture.model_dump(exclude=set(FREE)) == wanted:
            return name
    return folder.name


FAMILY = DetrFamily()
