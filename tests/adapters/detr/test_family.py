"""Planning a DETR: which words, which weights, what is refused. No torch."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.adapters.detr import checkpoint as detr_checkpoint
from bench.adapters.detr.family import FAMILY
from bench.adapters.detr.options import ARCHITECTURES, DetrOptions, resnet
from bench.detector import Plan
from bench.errors import ConfigError, RecipeError, WeightsError
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


def _checkpoint(folder: Path, **words: Any) -> Path:
    """A folder that looks like a checkpoint as long as nobody reads its tensors."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**FACEBOOK, **words}), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"tensors")
    return folder


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
    assert None not in plan.recipe.model_dump().values()
    assert None not in plan.options.values()
    assert (plan.variant, plan.weights, plan.pretrained_on) == ("tiny", "none", "nothing")
    assert plan.options["norm"] == "batch"
    assert plan.ledger == ()


def test_published_values_fill_what_is_open(tmp_path: Path) -> None:
    plan = _plan("resnet-50", str(_checkpoint(tmp_path / "detr")))
    recipe = plan.recipe
    assert (recipe.optimizer, recipe.lr, recipe.backbone_lr) == ("adamw", 1e-4, pytest.approx(1e-5))
    assert (recipe.weight_decay, recipe.clip_norm, recipe.schedule) == (1e-4, 0.1, "step")
    assert plan.options["norm"] == "frozen"
    assert [entry.word for entry in plan.ledger] == ["image_size", "backbone_lr"]


def test_asked_words_stand() -> None:
    asked = Recipe(lr=3e-4, backbone_lr=0.0, schedule="constant", clip_norm=0.0, image_size=128)
    used = _plan(recipe=asked).recipe
    told = asked.model_dump(exclude_none=True)
    assert {word: getattr(used, word) for word in told} == {word: getattr(asked, word) for word in told}


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
        ({"backbone": {"layer": "basic", "depths": [1, 1], "widths": [8]}}, "one number a stage"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        _plan(**options)


def test_an_unknown_variant_gets_a_guess() -> None:
    with pytest.raises(ConfigError, match="resnet-50"):
        _plan("resnet50")


def test_sgd_needs_a_rate() -> None:
    with pytest.raises(RecipeError, match="SGD"):
        _plan(recipe=Recipe(optimizer="sgd"))
    assert _plan(recipe=Recipe(optimizer="sgd", lr=0.01)).recipe.lr == 0.01


def test_the_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path / "mine", num_queries=30, encoder_layers=3, backbone="resnet101")
    plan = _plan(None, str(folder))
    assert plan.variant == "mine"
    assert (plan.options["queries"], plan.options["encoder_layers"]) == (30, 3)
    assert DetrOptions.model_validate(plan.options).backbone == resnet(101)
    assert _plan(None, str(_checkpoint(tmp_path / "other"))).variant == "resnet-50"


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
    "words",
    [
        {"model_type": "conditional_detr"},
        {"dilation": True},
        {"position_embedding_type": "learned"},
        {"decoder_ffn_dim": 1024},
        {"backbone": "swin_tiny"},
        {"backbone_config": {"model_type": "timm_backbone", "backbone": "resnet50", "output_stride": 16}},
        {"backbone_config": {"model_type": "resnet", "out_features": ["stage3"]}},
    ],
    ids=lambda words: next(iter(words)),
)
def test_a_detr_of_another_kind_is_refused(words: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=next(iter(words))):
        _plan(None, str(_checkpoint(tmp_path / "detr", **words)))


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
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("BENCH_WEIGHTS_URL", "http://127.0.0.1:9")
    with pytest.raises(WeightsError) as caught:
        _plan("resnet-50", None)
    assert str(tmp_path / "weights" / "facebook" / "detr-resnet-50") in str(caught.value)


def test_nobody_has_published_the_tiny_one() -> None:
    with pytest.raises(WeightsError, match="tiny"):
        _plan("tiny", "pretrained")
