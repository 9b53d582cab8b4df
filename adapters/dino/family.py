"""The family `dino`: DINO on our loop. Planning needs no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.adapters.class_map import ClassMap
from bench.adapters.dino import planning
from bench.adapters.dino.options import VARIANTS
from bench.adapters.loop import augment
from bench.adapters.loop.family import LoopFamily
from bench.adapters.query import capacity
from bench.adapters.query.planning import norm_layers, norm_layers_in_words
from bench.adapters.weights import published
from bench.detector import Plan
from bench.layout import Example
from bench.recipe import Recipe

if TYPE_CHECKING:
    from bench.adapters.dino.model import Dino


class DinoFamily(LoopFamily):
    """Plans, builds and loads DINOs."""

    name = "dino"
    variants: Mapping[str, str] = {name: about for name, (about, _) in VARIANTS.items()}

    def plan(
        self, *, variant: str | None, weights: str | None, options: Mapping[str, Any], recipe: Recipe
    ) -> Plan:
        """`weights`: 'none' (default), an official checkpoint (.pth), or a checkpoint folder of ours."""
        name = variant or next(iter(VARIANTS))
        if name not in VARIANTS:
            raise registry.unknown("variant of dino", name, VARIANTS)
        start = published.resolve(weights or "none", published=None, variant=f"dino:{name}")
        settings = planning.settings(options, recipe, VARIANTS[name][1])
        settings = settings.model_copy(update={"norm": norm_layers(settings.norm, start.weights)})
        full = planning.recipe(recipe, settings, tiny=name == "tiny", random=start.weights == "none")
        return Plan(
            family=self.name,
            variant=name,
            weights=start.weights,
            options=settings.model_dump(mode="json"),
            recipe=full,
            pretrained_on=start.pretrained_on,
            ledger=planning.ledger(start.weights, full) + augment.ledger(settings.augment, full),
        )

    def check(self, plan: Plan, *, classes: Sequence[str], images: Sequence[Example], device: str) -> None:
        capacity.most_objects(images, plan.options["queries"])
        if plan.weights != "none":
            self.build(plan, classes=classes, seed=0, device="cpu")

    def make(self, plan: Plan, head: Sequence[str]) -> "Dino":
        from bench.adapters.dino.model import make

        return make(plan, len(head))

    def known_classes(self, plan: Plan, classes: Sequence[str]) -> ClassMap | None:
        from bench.adapters.dino.weights import known_classes

        return known_classes(plan, classes)

    def start(self, trainable: Any, plan: Plan, classes: Sequence[str], carried: ClassMap | None) -> str:
        from bench.adapters.dino.weights import start_from

        path = Path(plan.weights)
        start_from(trainable, path, classes, carried)
        return published.fingerprint(path)

    def normalisation(self, plan: Plan) -> str:
        return norm_layers_in_words(plan.options["norm"])


FAMILY = DinoFamily()
