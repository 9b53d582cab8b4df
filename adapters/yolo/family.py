"""YOLOv8, trained by ultralytics' own trainer: a YOLO without its own recipe is not the YOLO that people use.

Light: ultralytics is imported when a detector is built or loaded, through `quiet.py`. ultralytics is
AGPL-3.0: who distributes it, or a model trained with it, must meet that licence.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.adapters import options as settings
from bench.adapters.class_map import match
from bench.adapters.losses.planning import options_with_loss, with_family_defaults
from bench.adapters.training.precision import number_format
from bench.adapters.weights import published
from bench.adapters.yolo.check_fit import check_fit
from bench.adapters.yolo.checkpoint import check_checkpoint, check_file, class_names
from bench.adapters.yolo.ledger import ledger
from bench.adapters.yolo.options import YoloOptions
from bench.adapters.yolo.settings import LOSS_OPTIONS, check, check_loss, resolve
from bench.adapters.yolo.variants import VARIANTS, defaults
from bench.detector import Detector, Plan
from bench.devices import on_gpu
from bench.errors import ConfigError
from bench.layout import Example
from bench.recipe import Recipe
from bench.registry import unknown

DEFAULT = next(iter(VARIANTS))


class YoloFamily:
    """Plans, builds and loads YOLOs."""

    name = "yolo"
    several_devices = True
    variants: Mapping[str, str] = VARIANTS

    def plan(
        self, *, variant: str | None, weights: str | None, options: Mapping[str, Any], recipe: Recipe
    ) -> Plan:
        """`variant` may also be the path of a model yaml or a .pt file, and `weights` that of the latter."""
        variant, weights = _chosen(variant, weights)
        usual = defaults(variant)
        given = options_with_loss(recipe.loss, options, LOSS_OPTIONS)
        chosen = settings.read(YoloOptions, {**usual.options, **given}, self.name)
        check_loss(recipe.loss, chosen)
        check(recipe, chosen, f"{self.name} {Path(variant).stem}")
        published_name = f"yolov8{variant}.pt" if variant in VARIANTS and variant != "tiny" else None
        start = published.resolve(weights, published=published_name, variant=f"{self.name} {variant}")
        if start.weights != "none":
            check_checkpoint(Path(start.weights))
        used = with_family_defaults(
            resolve(recipe, usual, chosen),
            {setting: getattr(chosen, home) for setting, home in LOSS_OPTIONS.items()},
        )
        return Plan(
            family=self.name,
            variant=variant,
            weights=start.weights,
            options=chosen.model_dump(),
            recipe=used,
            pretrained_on=start.pretrained_on,
            ledger=ledger(recipe, used, chosen),
        )

    def check(self, plan: Plan, *, classes: Sequence[str], images: Sequence[Example], device: str) -> None:
        if not on_gpu(device):
            number_format(plan.recipe.amp, device, on_cpu=False)
        if not plan.recipe.trains:
            match(classes, class_names(Path(plan.weights)), weights=plan.weights)
        if plan.weights not in ("none", plan.variant) and published.published_as(Path(plan.weights)) is None:
            check_fit(plan, classes)

    def build(self, plan: Plan, *, classes: Sequence[str], seed: int, device: str) -> Detector:
        _quietly()
        from bench.adapters.yolo import detector as yolo_detector

        return yolo_detector.build(plan, classes, seed=seed, device=device)

    def load(self, path: Path, *, device: str) -> Detector:
        _quietly()
        from bench.adapters.yolo import detector as yolo_detector

        return yolo_detector.load(path, device=device)


def _chosen(variant: str | None, weights: str | None) -> tuple[str, str]:
    """Variant and weights, resolved: a .pt file is both; a yaml has no weights."""
    if variant is None and weights not in (None, "pretrained", "none"):
        variant = weights
    variant = DEFAULT if variant is None else variant
    if variant in VARIANTS:
        return variant, weights or ("none" if variant == "tiny" else "pretrained")
    path = Path(variant).expanduser()
    if path.suffix not in (".pt", ".yaml", ".yml"):
        raise unknown("variant of yolo", variant, (*VARIANTS, "or the path of a .pt or .yaml file"))
    if not path.is_file():
        hint = f"give an existing path, or one of {', '.join(VARIANTS)}"
        raise ConfigError("no such file", file=variant, hint=hint)
    if path.suffix == ".pt":
        check_checkpoint(path)
        return str(path.resolve()), weights or str(path)
    check_file(path)
    return str(path.resolve()), weights or "none"


def _quietly() -> None:
    from bench.adapters.yolo import quiet as yolo_quiet

    yolo_quiet.prepare()


FAMILY = YoloFamily()
