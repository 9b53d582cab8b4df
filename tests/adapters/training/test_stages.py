"""Stages in words: what is left open, what can't be frozen. No torch."""

import subprocess
import sys

import pytest

from bench import registry
from bench.adapters.training.stages import of_epoch, resolved_stages
from bench.errors import RecipeError
from bench.recipe import Recipe

THREE = [
    {"epochs": 20, "lr": 1e-4, "freeze": ["all_but_head"]},
    {"epochs": 10, "lr": 5e-5},
    {"epochs": 5, "lr": 1e-5, "backbone_lr": 0},
]


def _recipe(**settings: object) -> Recipe:
    usual = {"lr": 2e-4, "backbone_lr": 2e-5, "schedule": "step", "warmup_epochs": 2.0}
    return Recipe.model_validate({**usual, **settings})


def test_without_stages_there_is_one_stretch_with_the_recipe_itself() -> None:
    recipe = _recipe(epochs=3)
    (only,) = resolved_stages(recipe)
    assert (only.recipe, only.first_epoch, only.epochs, only.freeze) == (recipe, 1, None, frozenset())
    assert resolved_stages(_recipe(backbone_lr=0))[0].freeze == {"backbone"}


def test_stages_follow_each_other_and_fill_what_is_open() -> None:
    row = resolved_stages(_recipe(stages=THREE))
    assert [(one.first_epoch, one.epochs) for one in row] == [(1, 20), (21, 10), (31, 5)]
    assert [one.recipe.lr for one in row] == [1e-4, 5e-5, 1e-5]
    assert [one.recipe.backbone_lr for one in row] == pytest.approx([1e-5, 5e-6, 0])
    assert [one.recipe.warmup_epochs for one in row] == [2.0, 0.0, 0.0]
    assert {one.recipe.schedule for one in row} == {"step"}
    assert [one.freeze for one in row] == [{"all_but_head"}, frozenset(), {"backbone"}]
    assert [row.index(of_epoch(row, epoch)) for epoch in (0, 1, 20, 21, 30, 31, 35)] == [0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_plan_that_freezes_what_is_not_there_is_refused(part: str) -> None:
    recipe = Recipe.model_validate({"stages": [{"epochs": 1}, {"epochs": 2, "freeze": [part]}]})
    with pytest.raises(RecipeError, match=r"stage 2[^\n]*\n.*its parts are backbone, all_but_head") as caught:
        registry.family("frcnn").plan(variant="tiny", weights="none", options={}, recipe=recipe)
    assert caught.value.value == part


@pytest.mark.parametrize("family", ["detr", "frcnn"])
def test_a_plan_leaves_nothing_open_in_its_stages(family: str) -> None:
    plan = registry.family(family).plan(
        variant="tiny", weights="none", options={}, recipe=Recipe.model_validate({"stages": THREE})
    )
    assert all(None not in dict(stage).values() for stage in plan.recipe.stages)
    assert Recipe.model_validate(plan.recipe.model_dump(mode="json")) == plan.recipe
    assert plan.recipe.epochs == 35
    assert plan.recipe.decay_norms is True


@pytest.mark.parametrize("family", ["detr", "frcnn", "yolo"])
@pytest.mark.parametrize("rates", [{}, {"lr": 0.004}, {"lr": 0.004, "backbone_lr": 0.001}])
def test_a_rate_alone_moves_the_backbone_s_with_it_in_every_family(
    family: str, rates: dict[str, float]
) -> None:
    stages = [{"epochs": 1}, {"epochs": 1, "lr": 3e-4}, {"epochs": 1, "lr": 3e-4, "backbone_lr": 2e-4}]
    plan = registry.family(family).plan(
        variant="tiny", weights="none", options={}, recipe=Recipe.model_validate({"stages": stages, **rates})
    )
    assert plan.recipe.lr and plan.recipe.backbone_lr
    ratio = plan.recipe.backbone_lr / plan.recipe.lr
    told = [(one.recipe.lr, one.recipe.backbone_lr) for one in resolved_stages(plan.recipe)]
    assert told == [
        (plan.recipe.lr, pytest.approx(plan.recipe.backbone_lr)),
        (3e-4, pytest.approx(3e-4 * ratio)),
        (3e-4, 2e-4),
    ]


def test_planning_imports_no_torch() -> None:
    program = (
        "import sys; from bench import registry; from bench.recipe import Recipe\n"
        "[registry.family(f).plan(variant='tiny', weights='none', options={}, recipe=Recipe())"
        " for f in ('detr', 'frcnn')]; print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
