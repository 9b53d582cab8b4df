"""A family for each architecture of transformers, on our loop. Planning needs no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.adapters.class_map import ClassMap, match
from bench.adapters.loop import augment
from bench.adapters.loop.family import LoopFamily
from bench.adapters.query import capacity
from bench.adapters.query.planning import norm_layers_in_words
from bench.adapters.transformers_detr import checkpoint, planning
from bench.adapters.transformers_detr.architecture import Architecture
from bench.adapters.transformers_detr.options import QueryOptions
from bench.adapters.weights import published
from bench.detector import Plan
from bench.layout import Example
from bench.recipe import Recipe

if TYPE_CHECKING:
    from bench.adapters.transformers_detr.model import TransformersDetr


class TransformersDetrFamily(LoopFamily):
    """Plans, builds and loads the variants of one architecture."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.name = architecture.name
        self.variants: Mapping[str, str] = {
            name: variant.about for name, variant in architecture.variants.items()
        }

    def plan(
        self, *, variant: str | None, weights: str | None, options: Mapping[str, Any], recipe: Recipe
    ) -> Plan:
        """`weights` may also be ORG/MODEL of the Hugging Face hub, or a folder that transformers saved."""
        name = variant or next(iter(self.variants))
        if name not in self.variants:
            raise registry.unknown(f"variant of {self.name}", name, self.variants)
        architecture, chosen = self.architecture, self.architecture.variants[name]
        given = planning.settings(options, recipe, architecture)
        start = published.resolve(
            weights or ("pretrained" if chosen.checkpoint else "none"),
            published=chosen.checkpoint,
            variant=f"{self.name}:{name}",
        )
        config = chosen.config
        if start.weights != "none":
            config = checkpoint.config(Path(start.weights), architecture)
        resolved = planning.resolved(given, architecture, config, start.weights)
        if given.config:
            _check_config(architecture, given, resolved)
        usual = {**architecture.recipe, **chosen.recipe}
        full = planning.recipe(recipe, usual, resolved, architecture, random=start.weights == "none")
        return Plan(
            family=self.name,
            variant=name,
            weights=start.weights,
            options=resolved.model_dump(mode="json"),
            recipe=full,
            pretrained_on=start.pretrained_on,
            ledger=planning.ledger(architecture, full, resolved, start.weights)
            + augment.ledger(resolved.augment, full),
        )

    def check(self, plan: Plan, *, classes: Sequence[str], images: Sequence[Example], device: str) -> None:
        capacity.most_objects(images, plan.options["queries"])
        if plan.weights != "none":
            self.build(plan, classes=classes, seed=0, device="cpu")

    def make(self, plan: Plan, head: Sequence[str]) -> "TransformersDetr":
        from bench.adapters.transformers_detr.model import TransformersDetr

        options = QueryOptions.model_validate(plan.options)
        return TransformersDetr(
            self.architecture,
            options,
            head,
            side=plan.recipe.input_size.long,
            whole_backbone=plan.weights == "none" or not self.architecture.frozen_when_pretrained,
        )

    def known_classes(self, plan: Plan, classes: Sequence[str]) -> ClassMap | None:
        if plan.recipe.trains or plan.weights == "none":
            return None
        return match(classes, checkpoint.classes(Path(plan.weights)), weights=plan.weights)

    def start(self, trainable: Any, plan: Plan, classes: Sequence[str], carried: ClassMap | None) -> str:
        from bench.adapters.transformers_detr.weights import start_from

        source = Path(plan.weights)
        start_from(trainable, source, classes, carried)
        return published.fingerprint(source)

    def normalisation(self, plan: Plan) -> str:
        return norm_layers_in_words(plan.options["norm"])


def _check_config(architecture: Architecture, given: QueryOptions, resolved: QueryOptions) -> None:
    from bench.adapters.transformers_detr.model import build_config, check_config

    check_config(architecture, given.config)
    build_config(architecture, resolved, ("any",))
