"""The family `frcnn`: torchvision's Faster R-CNNs on our loop. Planning needs no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.adapters import options as own_options
from bench.adapters.class_map import ClassMap
from bench.adapters.frcnn import planning
from bench.adapters.frcnn.variants import VARIANTS, Options
from bench.adapters.loop import augment
from bench.adapters.loop.family import LoopFamily
from bench.adapters.losses.planning import refuse_settings
from bench.adapters.weights import published
from bench.detector import Plan
from bench.layout import Example
from bench.recipe import Recipe

if TYPE_CHECKING:
    from bench.adapters.frcnn.model import FasterRcnn

_UNUSED_LOSS_SETTINGS = ("iou_coefficient", "class_cost", "l1_cost", "iou_cost")
"""Settings of `loss` that do not apply: boxes have a smooth L1 loss, and regions are assigned by overlap."""


class FrcnnFamily(LoopFamily):
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
        refuse_settings(recipe.loss, _UNUSED_LOSS_SETTINGS, "Faster R-CNN has no such term")
        full = planning.recipe(recipe, name, chosen)
        given = {**planning.inherited(options, asked), **options}
        settings = planning.resolved(own_options.read(Options, given, self.name), chosen, asked, full)
        augment.check(settings.augment, full)
        start = published.resolve(asked, published=chosen.published, variant=f"frcnn:{name}")
        plan = Plan(
            family=self.name,
            variant=name,
            weights=start.weights,
            options=settings.model_dump(mode="json"),
            recipe=full,
            pretrained_on=start.pretrained_on,
            ledger=planning.ledger(recipe, full, settings, chosen) + augment.ledger(settings.augment, full),
        )
        if asked not in ("none", "pretrained"):  # a file that no publisher vouches for
            from bench.adapters.frcnn.weights import check_fit

            check_fit(plan)
        return plan

    def check(self, plan: Plan, *, classes: Sequence[str], images: Sequence[Example], device: str) -> None:
        if not plan.recipe.trains:  # torchvision alone knows the classes of its own files
            self.known_classes(plan, classes)

    def make(self, plan: Plan, head: Sequence[str]) -> "FasterRcnn":
        from bench.adapters.frcnn.model import make

        return make(plan, len(head))

    def known_classes(self, plan: Plan, classes: Sequence[str]) -> ClassMap | None:
        from bench.adapters.frcnn.weights import known_classes

        return known_classes(plan, classes)

    def start(self, trainable: Any, plan: Plan, classes: Sequence[str], carried: ClassMap | None) -> str:
        from bench.adapters.frcnn.weights import start_from

        start_from(trainable, Path(plan.weights), carried)
        return published.fingerprint(Path(plan.weights))

    def normalisation(self, plan: Plan) -> str:
        """As in torchvision, the norm layers depend on the weights."""
        v2 = plan.variant == "resnet50_fpn_v2"
        if plan.options["norm"] == "frozen":
            beside = " in the backbone; batch norm, trained, in pyramid and head" if v2 else ""
            return f"frozen batch norm with the statistics of the starting weights{beside}"
        if plan.weights == "none" or plan.variant == "tiny":
            return "batch norm, trained"
        where = " in backbone, pyramid and head" if v2 else ""
        return f"batch norm{where}, trained on from the starting weights"


FAMILY = FrcnnFamily()
