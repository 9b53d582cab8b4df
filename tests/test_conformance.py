"""The shipped check passes our families, and catches each way of breaking the contract."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import registry
from bench.adapters.fake import FakeDetector, FakeFamily
from bench.conformance import check_family
from bench.detector import Detections, Detector, FitContext, Plan
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import TrainingRecord


def test_the_fake_keeps_the_contract(tmp_path: Path) -> None:
    assert check_family(registry.family("fake"), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["d_fine", "deformable_detr", "detr", "dino", "frcnn", "rt_detr", "rt_detr_v2", "yolo"]
)
def test_our_families_keep_the_contract(name: str, tmp_path: Path) -> None:
    assert check_family(registry.family(name), tmp_path, variant="tiny") == []


class _Outside(FakeDetector):
    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        for found in super().predict(images):
            yield replace(found, boxes_xyxy=found.boxes_xyxy + 200)


class _Unsorted(FakeDetector):
    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        for found in super().predict(images):
            yield replace(found, scores=found.scores[::-1])


class _Greedy(FakeDetector):
    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        yield from list(super().predict(images))


class _Disordered(FakeDetector):
    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        yield from super().predict(sorted(images, key=lambda path: path.name))


class _Talking(FakeDetector):
    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        print("epoch 1 of many")
        return super().fit(layout, recipe, context)


class _Deaf(FakeDetector):
    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        def on_epoch(epoch: Any) -> bool:
            context.on_epoch(epoch)
            return False

        return super().fit(layout, recipe, replace(context, on_epoch=on_epoch))


class _Peeking(FakeDetector):
    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        layout.examples("test")
        return super().fit(layout, recipe, context)


class _Littering(FakeDetector):
    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        (layout.root / "labels.cache").write_text("mine")
        return super().fit(layout, recipe, context)


class _Forgetful(FakeDetector):
    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        (context.workdir / "state.json").unlink(missing_ok=True)
        record = super().fit(layout, recipe, context)
        return record.model_copy(update={"epochs": record.epochs - 1})


class _Choosing(FakeDetector):
    """Keeps the first weights, as if they had been judged best."""

    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        record = super().fit(layout, recipe, context)
        return record if context.score_val else record.model_copy(update={"best_epoch": 1})


class _Random(FakeDetector):
    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        record = super().fit(layout, recipe, context)
        self.priors = np.random.default_rng().random(self.priors.shape)
        return record


def _family(kind: type[FakeDetector]) -> FakeFamily:
    """The fake's family, with detectors of `kind`."""

    class Broken(FakeFamily):
        def build(self, plan: Plan, *, classes: Sequence[str], seed: int, device: str) -> Detector:
            made = super().build(plan, classes=classes, seed=seed, device=device)
            assert isinstance(made, FakeDetector)
            return kind(made.options, made.priors)

    Broken.__module__ = FakeFamily.__module__  # what the check imports to see what that costs
    return Broken()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (_Outside, "outside the image"),
        (_Unsorted, "not sorted"),
        (_Greedy, "not lazy"),
        (_Disordered, "not in the order"),
        (_Talking, "prints"),
        (_Deaf, "returned True"),
        (_Choosing, "without score_val"),
        (_Peeking, "fit: FileNotFoundError"),
        (_Littering, "outside its workdir"),
        (_Forgetful, "says 1 epochs, not 2"),
        (_Random, "same seed"),
    ],
)
def test_a_broken_detector_is_caught(kind: type[FakeDetector], complaint: str, tmp_path: Path) -> None:
    failures = check_family(_family(kind), tmp_path)
    assert any(complaint in failure for failure in failures), failures


def test_a_family_that_takes_any_option_is_caught(tmp_path: Path) -> None:
    class Careless(FakeFamily):
        def plan(self, *, options: Any, **others: Any) -> Plan:
            return super().plan(options={}, **others)

    Careless.__module__ = FakeFamily.__module__
    failures = check_family(Careless(), tmp_path)
    assert failures == ["plan: takes an unknown option without an error"]
