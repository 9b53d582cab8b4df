"""Planning a DETR: which words, which weights, what is refused. No torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from bench.adapters.detr import checkpoint as detr_checkpoint
from bench.adapters.detr.family import FAMILY
from bench.adapters.detr.options import ARCHITECTURES, DetrOptions, resnet
from bench.detector import Plan
from bench.errors import ConfigError, RecipeError, WeightsError
from bench.loss import LossConfig
from bench.recipe import Recipe

# config.json of facebook/detr-resnet-50, without the words that nothing here depends on.
FACEBOOK: dict[str, Any] = {
    "architectures": ["DetrForObjectDetection"],
    "backbone": "resnet50",
    "d_model": 256,
    "decoder_attention_heads": 8,
    "decoder_ffn_dim": 2048,
    "decoder_layers": 6,
    "dilation": False,
    "dropout": 0.1,
    "encoder_attention_heads": 8,
    "encoder_ffn_dim": 2048,
    "encoder_layers": 6,
    "eos_coefficient": 0.1,
    "id2label": {"0": "N/A", "1": "person", "10": "traffic light", "2": "bicycle"},
    "model_type": "detr",
    "num_queries": 100,
    "position_embedding_type": "sine",
    "use_timm_backbone": True,
}


def _checkpoint(folder: Path, **settings: Any) -> Path:
    """A folder that looks like a checkpoint as long as nobody reads its tensors."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**FACEBOOK, **settings}), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"tensors")
    return folder


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """`_checkpoint` has no tensors that could be looked at."""
    monkeypatch.setattr("bench.adapters.detr.family._check_fit", lambda plan: None)


def _plan(
    variant: str | None = "tiny",
    weights: str | None = "none",
    *,
    recipe: Recipe | None = None,
    **options: Any,
) -> Plan:
    return FAMILY.plan(variant=variant, weights=weights, options=options, recipe=recipe or Recipe())


def test_a_plan_leaves_nothing_open() -> None:
    plan = _plan()
    open_words = {setting for setting, value in plan.recipe.model_dump().items() if value is None}
    assert open_words <= {"budget", "ema"}  # which say something by being open
    assert None not in plan.options.values()
    assert (plan.variant, plan.weights, plan.pretrained_on) == ("tiny", "none", "nothing")
    assert plan.options["norm"] == "batch"
    assert plan.ledger == ()


@pytest.mark.usefixtures("unread")
def test_published_values_fill_what_is_open(tmp_path: Path) -> None:
    plan = _plan("resnet-50", str(_checkpoint(tmp_path / "detr")))
    recipe = plan.recipe
    assert (recipe.optimizer, recipe.lr, recipe.backbone_lr) == ("adamw", 1e-4, pytest.approx(1e-5))
    assert (recipe.weight_decay, recipe.clip_norm, recipe.schedule) == (1e-4, 0.1, "step")
    assert plan.options["norm"] == "frozen"
    assert [entry.setting for entry in plan.ledger] == ["image_size", "backbone_lr"]


def test_open_words_of_loss_take_the_papers_figures_but_the_switch_stays_off() -> None:
    loss = _plan(recipe=Recipe(loss=LossConfig(l1_cost=4.0))).recipe.loss
    assert (loss.class_coefficient, loss.l1_coefficient, loss.iou_coefficient) == (1.0, 5.0, 2.0)
    assert (loss.class_cost, loss.l1_cost, loss.iou_cost) == (1.0, 4.0, 2.0)
    assert not loss.changes_classification


def test_asked_words_stand() -> None:
    asked = Recipe(lr=3e-4, backbone_lr=0.0, schedule="constant", clip_norm=0.0, image_size=128)
    used = _plan(recipe=asked).recipe
    told = asked.model_dump(exclude_none=True, exclude={"loss"})
    assert {setting: getattr(used, setting) for setting in told} == {
        setting: getattr(asked, setting) for setting in told
    }


def test_random_backbones_train_at_the_full_rate() -> None:
    assert _plan("resnet-50", recipe=Recipe(lr=5e-4)).recipe.backbone_lr == 5e-4


def test_options_change_the_variant() -> None:
    options = _plan(queries=12, width=64).options
    assert (options["queries"], options["width"]) == (12, 64)
    assert options["encoder_layers"] == ARCHITECTURES["tiny"].encoder_layers


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"querys": 5}, "did you mean `queries`"),
        ({"queries": "many"}, "options.queries"),
        ({"width": 30}, "4 heads"),
        ({"norm": "frozen"}, "does nothing at all"),
        ({"class_cost": -1.0}, "options.class_cost"),
        ({"class_cost": 0, "box_cost": 0, "giou_cost": 0}, "can't all be 0"),
        ({"class_loss": 0, "box_loss": 0, "giou_loss": 0}, "can't all be 0"),
        ({"augment": "mosaic"}, "options.augment"),
        ({"backbone": {"layer": "basic", "depths": [1, 1], "widths": [8]}}, "one number a stage"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        _plan(**options)


def test_detr_from_scratch_as_its_users_tune_it() -> None:
    settings: dict[str, Any] = {
        "encoder_layers": 3,
        "decoder_layers": 3,
        "queries": 4,
        "width": 128,
        "heads": 4,
        "feedforward": 512,
        "dropout": 0.05,
        "class_cost": 1.5,
        "box_cost": 2.5,
        "giou_cost": 0.75,
        "class_loss": 0.8,
        "box_loss": 4.5,
        "giou_loss": 1.25,
        "no_object_weight": 0.2,
        "auxiliary_loss": False,
        "augment": "paper",
    }
    plan = _plan("resnet-50", recipe=Recipe(image_size="800x1333"), **settings)
    assert {setting: plan.options[setting] for setting in settings} == settings
    assert plan.recipe.image_size == "800x1333"
    (entry,) = plan.ledger
    assert entry.setting == "augmentation"
    assert "short sides of 480 to 800 within 1333" in entry.used
    assert FAMILY.plan(variant=plan.variant, weights="none", options=plan.options, recipe=plan.recipe) == plan


@pytest.mark.usefixtures("unread")
def test_loss_words_may_differ_from_those_of_the_weights(tmp_path: Path) -> None:
    folder = str(_checkpoint(tmp_path / "detr"))
    plan = _plan(None, folder, box_cost=2.5, giou_loss=0.5, auxiliary_loss=False)
    assert plan.variant == "resnet-50"
    assert (plan.options["box_cost"], plan.options["giou_loss"], plan.options["class_cost"]) == (
        2.5,
        0.5,
        1.0,
    )


def test_an_input_that_the_backbone_shrinks_to_nothing_is_refused() -> None:
    deep = {"layer": "basic", "stem": 8, "depths": [1] * 6, "widths": [8] * 6}
    with pytest.raises(RecipeError, match=r"(?s)image_size.*shrinks an image 128 times.*found: '96x300'"):
        _plan(recipe=Recipe(image_size="96x300"), backbone=deep)
    assert _plan(recipe=Recipe(image_size=128), backbone=deep).recipe.image_size == 128


def test_sizes_are_drawn_once() -> None:
    with pytest.raises(RecipeError, match="multi_scale"):
        _plan(recipe=Recipe(multi_scale=0.2), augment="paper")


def test_a_published_backbone_under_a_new_transformer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.adapters.detr.family.weights.locate", lambda name: tmp_path / name)
    for variant, name in (("resnet-50", "resnet50"), ("resnet-101", "resnet101"), (None, "resnet50")):
        plan = _plan(variant, "backbone", queries=7)
        assert plan.weights == plan.options["backbone_weights"] == str(tmp_path / name)
        assert plan.pretrained_on == "ImageNet-1k (backbone only)"
        assert plan.options["norm"] == "frozen"
        assert plan.recipe.backbone_lr == pytest.approx(plan.recipe.lr / 10)
        assert plan.options["queries"] == 7
    small = _plan("tiny", "backbone", backbone=resnet(18).model_dump())
    assert small.weights == str(tmp_path / "resnet18")


def test_weights_of_two_kinds_contradict_each_other(tmp_path: Path) -> None:
    for asked in ("none", "pretrained", str(_checkpoint(tmp_path / "detr"))):
        with pytest.raises(
            ConfigError, match=r"(?s)backbone_weights: contradicts weights.*found: 'mine\.pth'"
        ):
            _plan("resnet-50", asked, backbone_weights="mine.pth")


def test_a_backbone_that_nobody_published_needs_a_file() -> None:
    with pytest.raises(WeightsError, match="backbone of detr:tiny"):
        _plan("tiny", "backbone")


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from bench.adapters.detr.family import FAMILY\n"
        "from bench.recipe import Recipe\n"
        "for name in FAMILY.variants:\n"
        "    FAMILY.plan(variant=name, weights='none', options={'augment': 'paper'}, recipe=Recipe())\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'PIL')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_variant_gets_a_guess() -> None:
    with pytest.raises(ConfigError, match="resnet-50"):
        _plan("resnet50")


def test_sgd_needs_a_rate() -> None:
    with pytest.raises(RecipeError, match="SGD"):
        _plan(recipe=Recipe(optimizer="sgd"))
    assert _plan(recipe=Recipe(optimizer="sgd", lr=0.01)).recipe.lr == 0.01


@pytest.mark.usefixtures("unread")
def test_the_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path / "mine", num_queries=30, encoder_layers=3, backbone="resnet101")
    plan = _plan(None, str(folder))
    assert plan.variant == "mine"
    assert (plan.options["queries"], plan.options["encoder_layers"]) == (30, 3)
    assert DetrOptions.model_validate(plan.options).backbone == resnet(101)
    assert _plan(None, str(_checkpoint(tmp_path / "other"))).variant == "resnet-50"


@pytest.mark.usefixtures("unread")
def test_a_word_that_contradicts_the_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = str(_checkpoint(tmp_path / "detr"))
    with pytest.raises(ConfigError, match=r"(?s)options\.queries.*trained with 100"):
        _plan("resnet-50", folder, queries=30)
    with pytest.raises(ConfigError, match="another backbone"):
        _plan("resnet-101", folder)
    assert _plan("resnet-50", folder, queries=100, dropout=0.0).options["dropout"] == 0.0


def test_classes_come_in_the_order_of_their_index(tmp_path: Path) -> None:
    names = ("N/A", "person", "bicycle", "traffic light")
    assert detr_checkpoint.classes(_checkpoint(tmp_path / "detr")) == names


@pytest.mark.parametrize(
    "settings",
    [
        {"model_type": "conditional_detr"},
        {"dilation": True},
        {"position_embedding_type": "learned"},
        {"decoder_ffn_dim": 1024},
        {"backbone": "swin_tiny"},
        {"backbone_config": {"model_type": "timm_backbone", "backbone": "resnet50", "output_stride": 16}},
        {"backbone_config": {"model_type": "resnet", "out_features": ["stage3"]}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_detr_of_another_kind_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=next(iter(settings))):
        _plan(None, str(_checkpoint(tmp_path / "detr", **settings)))


def test_half_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"config\.json"):
        _plan(None, str(tmp_path))
    folder = _checkpoint(tmp_path / "detr")
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match="can't be read"):
        _plan(None, str(folder))


def test_without_a_network_the_file_and_its_place_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("BENCH_WEIGHTS_URL", "http://127.0.0.1:9")
    with pytest.raises(WeightsError) as caught:
        _plan("resnet-50", None)
    assert str(tmp_path / "weights" / "facebook" / "detr-resnet-50") in str(caught.value)


def test_nobody_has_published_the_tiny_one() -> None:
    with pytest.raises(WeightsError, match="tiny"):
        _plan("tiny", "pretrained")


def _lossy(loss: dict[str, Any], **options: Any) -> Plan:
    return _plan(recipe=Recipe.model_validate({"epochs": 1, "loss": loss}), **options)


def test_words_of_loss_become_options() -> None:
    settings = {
        "class_coefficient": 2.0,
        "l1_coefficient": 3.0,
        "iou_coefficient": 4.0,
        "class_cost": 5.0,
        "l1_cost": 6.0,
        "iou_cost": 7.0,
        "background_weight": 0.3,
    }
    homes = ("class_loss", "box_loss", "giou_loss", "class_cost", "box_cost", "giou_cost", "no_object_weight")
    options = _lossy(settings).options
    assert [options[home] for home in homes] == list(settings.values())
    again = _lossy(settings, box_loss=3.0)  # said twice, and the same
    assert again.options == options


@pytest.mark.parametrize(
    ("loss", "options", "told"),
    [
        ({"l1_cost": 6.0}, {"box_cost": 5.0}, r"loss\.l1_cost: options\.box_cost is 5\.0"),
        (
            {"background_weight": 0.2},
            {"no_object_weight": 0.1},
            r"loss\.background_weight: options\.no_object_weight",
        ),
        ({"background_weight": 0}, {}, r"loss\.background_weight: .*never learn"),
        ({}, {"focal": "sigmoid"}, r"options\.focal: .*standard"),
        ({"classification": "weighted"}, {"focal": "sigmoid"}, r"options\.focal: .*weighted"),
        (
            {"classification": "focal", "label_smoothing": 0.1},
            {"focal": "sigmoid"},
            r"loss\.label_smoothing: .*sigmoid",
        ),
    ],
)
def test_words_of_loss_that_contradict_options_are_refused(
    loss: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        _lossy(loss, **options)


def test_a_sigmoid_a_class_weighs_no_background_unless_it_is_said() -> None:
    focal = {"classification": "focal"}
    assert _lossy(focal).options["no_object_weight"] == 0.1
    assert _lossy(focal, focal="sigmoid").options["no_object_weight"] == 1.0
    assert _lossy({**focal, "background_weight": 0.4}, focal="sigmoid").options["no_object_weight"] == 0.4


def test_nothing_trained_means_no_way_to_score_can_be_chosen() -> None:
    recipe = Recipe.model_validate({"epochs": 0, "loss": {"classification": "focal"}})
    with pytest.raises(ConfigError, match=r"options\.focal: nothing is trained"):
        _plan(recipe=recipe, focal="sigmoid")
