import subprocess
import sys
from pathlib import Path

import pytest

from bench.adapters.frcnn.family import FAMILY
from bench.adapters.frcnn.variants import COCO_LONG_SIDE, VARIANTS
from bench.detector import Plan
from bench.errors import ConfigError, RecipeError, WeightsError
from bench.recipe import Recipe


def plan(
    variant: str | None = "resnet50_fpn",
    weights: str | None = "none",
    options: dict | None = None,
    **settings: object,
) -> Plan:
    recipe = Recipe.model_validate(settings)
    return FAMILY.plan(variant=variant, weights=weights, options=options or {}, recipe=recipe)


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from bench.adapters.frcnn.family import FAMILY\n"
        "from bench.recipe import Recipe\n"
        "for name in FAMILY.variants:\n"
        "    FAMILY.plan(variant=name, weights='none', options={}, recipe=Recipe())\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_plan_leaves_nothing_open(variant: str) -> None:
    made = plan(variant)
    assert (made.family, made.variant, made.weights, made.pretrained_on) == (
        "frcnn",
        variant,
        "none",
        "nothing",
    )
    open_words = {setting for setting, value in made.recipe.model_dump().items() if value is None}
    assert open_words <= {"budget", "ema"}  # which say something by being open
    assert all(value is not None for value in made.options.values())
    assert FAMILY.variants[variant]


def test_a_plan_planned_again_is_the_same() -> None:
    once = plan(image_size=None, epochs=3)
    again = FAMILY.plan(variant=once.variant, weights=once.weights, options=once.options, recipe=once.recipe)
    assert (again.recipe, again.options) == (once.recipe, once.options)


def test_torchvisions_values_fill_what_is_open() -> None:
    made = plan(None, batch_size=8)
    assert made.variant == "resnet50_fpn"
    recipe = made.recipe
    assert (recipe.optimizer, recipe.momentum, recipe.weight_decay) == ("sgd", 0.9, 1e-4)
    assert recipe.lr == recipe.backbone_lr == pytest.approx(0.01)  # 0.02 for 16 pictures a step
    assert (recipe.schedule, recipe.warmup_epochs, recipe.clip_norm) == ("step", 1.0, 0.0)
    assert recipe.image_size == COCO_LONG_SIDE


def test_what_is_said_holds() -> None:
    said = {
        "image_size": 480,
        "optimizer": "adamw",
        "lr": 0.003,
        "backbone_lr": 0.0,
        "weight_decay": 0.0,
        "schedule": "cosine",
        "warmup_epochs": 0.0,
        "clip_norm": 1.0,
        "momentum": 0.8,
    }
    recipe = plan(**said).recipe
    assert {setting: getattr(recipe, setting) for setting in said} == said


def test_adamw_has_a_rate_of_its_own() -> None:
    recipe = plan(optimizer="adamw", batch_size=4).recipe
    assert (recipe.lr, recipe.weight_decay) == (1e-4, 0.05)


def test_the_ledger_tells_of_sizes_and_frozen_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.adapters.frcnn.family.published.locate", lambda name: tmp_path / name)
    assert [entry.setting for entry in plan().ledger] == ["image_size"]
    assert plan(image_size=640).ledger == ()
    pretrained = plan(weights=None, image_size=640)
    assert pretrained.weights == str(tmp_path / "fasterrcnn_resnet50_fpn")
    assert pretrained.pretrained_on.startswith("COCO 2017")
    assert pretrained.options["trainable_layers"] == 3
    (entry,) = pretrained.ledger
    assert entry.setting == "backbone_lr"
    assert "upper 3 of 5 stages" in entry.used
    assert plan(weights="pretrained", options={"trainable_layers": 5}, image_size=640).ledger == ()


def test_norm_layers_change_with_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.adapters.frcnn.family.published.locate", lambda name: tmp_path / name)
    assert FAMILY.normalisation(plan("resnet50_fpn")) == "batch norm, trained"
    assert "frozen" in FAMILY.normalisation(plan("resnet50_fpn", "pretrained"))
    assert "frozen" in FAMILY.normalisation(plan("mobilenet_v3_large_fpn", "pretrained"))
    assert "frozen" not in FAMILY.normalisation(plan("resnet50_fpn_v2", "pretrained"))
    assert "frozen" not in FAMILY.normalisation(plan("resnet50_fpn", "pretrained", {"norm": "batch"}))
    both = FAMILY.normalisation(plan("resnet50_fpn_v2", "pretrained", {"norm": "frozen"}))
    assert both.startswith("frozen batch norm")
    assert both.endswith("trained, in pyramid and head")


def test_pretrained_without_a_network_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("BENCH_WEIGHTS_URL", "http://127.0.0.1:9")
    with pytest.raises(WeightsError) as caught:
        plan(weights=None)
    assert str(tmp_path / "weights" / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth") in str(caught.value)
    with pytest.raises(WeightsError, match="there are no published weights for frcnn:tiny"):
        plan("tiny", "pretrained")
    assert plan("tiny", None).weights == "none"


@pytest.mark.parametrize(
    ("variant", "options", "reason"),
    [
        ("resnet50_fpn", {"box_nsm": 0.6}, "box_nms"),
        ("resnet50_fpn", {"box_nms": 0}, "box_nms"),
        ("resnet50_fpn", {"box_nms": "much"}, "box_nms"),
        ("resnet50_fpn", {"trainable_layers": 6}, "fewer stages"),
        ("resnet50_fpn", {"trainable_layers": 2}, "random layers"),
        ("tiny", {"trainable_layers": 1}, "trains whole"),
        ("resnet50_fpn", {"anchor_sizes": [32, 64]}, "has 5 sizes"),
        ("resnet50_fpn", {"anchor_ratios": []}, "anchor_ratios"),
        ("mobilenet_v3_large_fpn", {"anchor_sizes": [0]}, "anchor_sizes"),
        ("resnet50_fpn", {"norm": "frozen"}, "does nothing at all"),
        ("tiny", {"norm": "group"}, "norm"),
        ("tiny", {"anchors": "guess"}, "sizes, fit, or the widths"),
        ("tiny", {"anchors": [[10, -2]]}, "anchors"),
        ("tiny", {"anchors": []}, "anchors"),
        ("resnet50_fpn", {"anchors": [[10, 10]] * 7}, "multiple of 5"),
        ("tiny", {"proposals": 80, "proposals_before_nms": 50}, "fewer than the 80 of proposals"),
        ("tiny", {"train_proposals_before_nms": 2}, "train_proposals"),
        ("tiny", {"box_score": 0.0001}, "box_score"),
        ("tiny", {"rpn_nms": 0}, "rpn_nms"),
        ("tiny", {"box_positives": 1.5}, "box_positives"),
        ("tiny", {"augment": "mosaic"}, "augment"),
    ],
)
def test_words_that_can_not_be_followed_are_errors(variant: str, options: dict, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        plan(variant, options=options)


def test_weights_fix_the_number_of_anchors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.adapters.frcnn.family.published.locate", lambda name: tmp_path / name)
    for options in ({"anchor_sizes": [16, 32]}, {"anchor_ratios": [1.0]}):
        assert plan("mobilenet_v3_large_fpn", options=options)
        with pytest.raises(ConfigError, match="anchor"):
            plan("mobilenet_v3_large_fpn", "pretrained", options)


def test_tinys_anchors_go_with_the_picture() -> None:
    small = plan("tiny", image_size=96).options["anchor_sizes"]
    assert plan("tiny", image_size=192).options["anchor_sizes"] == [2 * size for size in small]
    assert plan("tiny", options={"anchor_sizes": [8]}, image_size=192).options["anchor_sizes"] == [8]


def test_weights_fix_how_many_anchors_are_given_or_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.adapters.frcnn.family.published.locate", lambda name: tmp_path / name)
    for variant in ("mobilenet_v3_large_fpn", "resnet50_fpn"):
        shapes = [[10.0 + side, 20.0] for side in range(15)]
        assert plan(variant, "pretrained", {"anchors": shapes}).options["anchors"] == shapes
        assert plan(variant, "pretrained", {"anchors": "fit"}).options["anchors"] == "fit"
        with pytest.raises(ConfigError, match="must be 15"):
            plan(variant, "pretrained", {"anchors": shapes[:10]})


def test_a_higher_score_floor_stands_in_the_ledger() -> None:
    (entry,) = plan("tiny", options={"box_score": 0.05}).ledger
    assert (entry.setting, entry.asked, entry.used) == ("score floor", "0.001", "0.05")


def test_the_papers_augmentation_stands_in_the_ledger_and_draws_sizes_alone() -> None:
    made = plan("tiny", options={"augment": "paper"}, image_size="96x160")
    assert [entry.setting for entry in made.ledger] == ["augmentation"]
    assert made.recipe.image_size == "96x160"
    with pytest.raises(RecipeError, match="multi_scale"):
        plan("tiny", options={"augment": "paper"}, multi_scale=0.2)


def test_as_many_regions_stand_before_nms_as_after_it() -> None:
    options = plan("tiny", options={"proposals": 70, "train_proposals_before_nms": 400}).options
    assert (options["proposals_before_nms"], options["proposals"]) == (70, 70)
    assert (options["train_proposals_before_nms"], options["train_proposals"]) == (400, 50)


def test_an_unknown_variant_gets_a_guess() -> None:
    with pytest.raises(ConfigError, match="did you mean 'resnet50_fpn'"):
        plan("resnet50fpn")


def lossy(**loss: object) -> Plan:
    recipe = Recipe.model_validate({"epochs": 1, "loss": loss})
    return FAMILY.plan(variant="tiny", weights="none", options={}, recipe=recipe)


@pytest.mark.parametrize("setting", ["iou_coefficient", "class_cost", "l1_cost", "iou_cost"])
def test_words_of_loss_without_a_place_are_refused(setting: str) -> None:
    with pytest.raises(RecipeError, match=rf"loss\.{setting}: Faster R-CNN has no such term"):
        lossy(**{setting: 1.0})


def test_words_of_loss_with_a_place_are_planned() -> None:
    settings = {
        "classification": "focal",
        "background_weight": 0.0,
        "class_coefficient": 2.0,
        "l1_coefficient": 3,
    }
    assert {setting: getattr(lossy(**settings).recipe.loss, setting) for setting in settings} == settings
    own = lossy().recipe.loss
    assert (own.class_coefficient, own.l1_coefficient) == (1.0, 1.0) and not own.changes_classification
