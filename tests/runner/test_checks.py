"""What the data tells of a plan is told before anything is written."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import devices, registry
from bench.adapters.yolo import family as yolo_family
from bench.config import BenchConfig, read_config
from bench.datasets import prepare
from bench.detector import Plan
from bench.errors import BenchError, ConfigError, RecipeError, WeightsError
from bench.layout import Example, Layout
from bench.recipe import Recipe
from bench.runner import checks, plan
from bench.runner import run as running
from bench.runner.plan import PlannedCell, plan_cells


class Deaf:
    """A watcher that has nothing to watch."""

    def on_data(self, what: str, done: int, total: int) -> None:
        pass


def refused(config: Path, folder: Path, *overrides: str, models: tuple[str, ...] = ()) -> BenchError:
    """The error of `bench run`, which has left no run folder."""
    runs = folder / "runs"
    resolved = read_config(config, overrides=[f"runs={runs}", *overrides], models=models)
    with pytest.raises(BenchError) as caught:
        running.start(resolved, Deaf(), command="bench run")  # type: ignore[arg-type]
    assert not runs.exists()
    assert caught.value.exit_code == 2
    return caught.value


@pytest.fixture(scope="module")
def layout(fake_config: Path) -> Layout:
    config = read_config(fake_config)
    return prepare(config.data, config.cache)


def test_a_batch_larger_than_the_split_is_refused(fake_config: Path, tmp_path: Path) -> None:
    told = str(refused(fake_config, tmp_path, "train.batch_size=29", models=("one",)))
    assert told.startswith("model one: train.batch_size: the train split has 28 images only (found: 29)")
    assert "Hint: make it 28 or less" in told


def test_a_step_larger_than_the_split_is_refused(fake_config: Path, tmp_path: Path) -> None:
    told = str(refused(fake_config, tmp_path, "train.accumulate=4", models=("one",)))
    assert "train.batch_size x train.accumulate: the train split has 28 images only (found: 32)" in told
    auto = ("train.batch_size=auto", "train.accumulate=29")
    assert "(found: 29)" in str(refused(fake_config, tmp_path, *auto, models=("one",)))


def test_every_model_s_problem_is_told_at_once(fake_config: Path, tmp_path: Path) -> None:
    error = refused(fake_config, tmp_path, "train.batch_size=29", "models.two.train.amp=fp16")
    assert isinstance(error, ConfigError)
    assert "2 models can't be run as asked:\n- model one: " in str(error)
    assert "\n- model two: " in str(error)


def test_float16_on_a_cpu_is_refused(fake_config: Path, tmp_path: Path) -> None:
    told = str(refused(fake_config, tmp_path, "device=cpu", "models.two.train.amp=fp16"))
    assert told.startswith("model two: train.amp: cpu does not train in this number format")


def test_a_final_training_needs_a_first_one(layout: Layout) -> None:
    cell = planned(Recipe(epochs=0))
    checks.check_data(config(), [(cell.model, cell.plan)], layout)
    with pytest.raises(RecipeError, match=r"model it: train\.epochs: final: train\+val needs a training"):
        checks.check_data(config(final="train+val"), [(cell.model, cell.plan)], layout)


def config(**settings: Any) -> BenchConfig:
    return BenchConfig.model_validate(
        {"data": {"source": "synthetic"}, "models": ["fake"], "device": "cpu", **settings}
    )


def planned(recipe: Recipe, family: str = "fake") -> PlannedCell:
    variant = None if family == "fake" else "tiny"
    made = registry.family(family).plan(variant=variant, weights="none", options={}, recipe=recipe)
    return PlannedCell("it", 0, made)


def crowded(example: Example, boxes: int) -> Example:
    """The same picture with so many objects, and one crowd more."""
    count = boxes + 1
    return dataclasses.replace(
        example,
        boxes_xyxy=np.tile([1.0, 1.0, 9.0, 9.0], (count, 1)),
        labels=np.zeros(count, dtype=np.int64),
        crowd=np.arange(count) == boxes,
    )


def test_a_picture_with_more_objects_than_detr_has_queries_is_named(layout: Layout) -> None:
    family = registry.family("detr")
    made = family.plan(
        variant="tiny", weights="none", options={"queries": 6}, recipe=Recipe(epochs=1, batch_size=8)
    )
    images = layout.examples("train")
    settings: dict[str, Any] = {"classes": layout.classes, "device": "cpu"}
    family.check(made, images=[*images, crowded(images[3], 6)], **settings)  # type: ignore[attr-defined]
    with pytest.raises(RecipeError, match=r"has 7 objects: each needs its own query \(found: 6\)") as caught:
        family.check(made, images=[*images, crowded(images[3], 7)], **settings)  # type: ignore[attr-defined]
    assert images[3].path.name in str(caught.value)
    assert "say at least 7, better 10" in str(caught.value)


@pytest.mark.parametrize(("final", "counted"), [("none", 28), ("train+val", 34)])
def test_all_that_will_be_trained_on_is_looked_at(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, final: str, counted: int
) -> None:
    seen: list[int] = []

    def check(plan: Plan, *, classes: Any, images: Any, device: str) -> None:
        seen.append(len(images))

    monkeypatch.setattr(registry.family("fake"), "check", check, raising=False)
    cell = planned(Recipe(epochs=1))
    checks.check_data(config(final=final), [(cell.model, cell.plan)], layout)
    assert seen == [counted]


def judged_as_it_comes(made: Plan, weights: Path, **options: Any) -> Plan:
    """`made` without a training, from other weights."""
    return dataclasses.replace(
        made, weights=str(weights), recipe=Recipe(epochs=0), options={**made.options, **options}
    )


def test_weights_that_know_none_of_the_classes_are_not_judged_as_they_come(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"images": layout.examples("train"), "device": "cpu"}
    (tmp_path / "config.json").write_text('{"model_type": "detr", "id2label": {"0": "cat", "1": "disc"}}')
    monkeypatch.setattr(yolo_family, "class_names", lambda path: ("cat", "disc"))
    monkeypatch.setattr(yolo_family, "check_fit", lambda plan, classes: None)
    for name in ("detr", "yolo"):
        family: Any = registry.family(name)
        made = planned(Recipe(epochs=1, batch_size=8), name).plan
        asked = judged_as_it_comes(made, tmp_path)
        family.check(asked, classes=layout.classes, **settings)
        with pytest.raises(RecipeError, match="has none of ring, cross"):
            family.check(asked, classes=("ring", "cross"), **settings)


def test_yolo_trains_in_no_half_precision_on_a_cpu() -> None:
    family: Any = registry.family("yolo")
    made = planned(Recipe(epochs=1, amp="bf16"), "yolo").plan
    with pytest.raises(RecipeError, match=r"cpu does not train in this number format"):
        family.check(made, classes=("a",), images=[], device="cpu")
    family.check(made, classes=("a",), images=[], device="cuda:0")


@pytest.mark.parametrize(
    ("asked", "hint", "there", "found"),
    [
        ("auto", False, 1, "cpu"),
        ("auto", True, 0, "cpu"),
        ("auto", True, 2, "cuda:0"),
        ("cpu", True, 1, "cpu"),
        ("cuda", True, 1, "cuda:0"),
        ("cuda:1", True, 2, "cuda:1"),
    ],
)
def test_the_device_of_the_cells_is_known_beforehand(
    monkeypatch: pytest.MonkeyPatch, asked: str, hint: bool, there: int, found: str
) -> None:
    monkeypatch.setattr(devices, "may_have_gpu", lambda: hint)
    monkeypatch.setattr(plan, "count_gpus_apart", lambda: there)
    assert plan.first_device(config(device=asked)) == found


def test_plans_that_fit_their_data_pass(fake_config: Path, layout: Layout) -> None:
    resolved = read_config(fake_config)
    plans = [(cell.model, cell.plan) for cell in plan_cells(resolved)]
    checks.check_data(resolved, plans, layout)


@pytest.mark.slow
def test_a_yolo_of_another_architecture_is_refused_by_the_names_of_its_tensors(tmp_path: Path) -> None:
    family: Any = registry.family("yolo")
    made = planned(Recipe(epochs=1), "yolo").plan
    family.build(made, classes=("a", "b"), seed=0, device="cpu").save(tmp_path / "tiny")
    weights = str(tmp_path / "tiny" / "best.pt")
    settings: dict[str, Any] = {"classes": ("a", "b", "c"), "images": [], "device": "cpu"}
    for variant in (None, "tiny"):
        fits = family.plan(variant=variant, weights=weights, options={}, recipe=Recipe(epochs=1))
        family.check(fits, **settings)
    other = family.plan(variant="n", weights=weights, options={}, recipe=Recipe(epochs=1))
    with pytest.raises(WeightsError, match=r"does not fit variant n: .*model\.0\.conv\.weight") as caught:
        family.check(other, **settings)
    assert "leave variant out" in str(caught.value)
