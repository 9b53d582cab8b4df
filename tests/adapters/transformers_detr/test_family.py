"""What each architecture plans, which weights it takes, and what it makes of other classes."""

import json
from pathlib import Path

import pytest
import torch

from bench import registry
from bench.errors import ConfigError, RecipeError, WeightsError
from bench.loss import LossConfig
from bench.recipe import Recipe


def plan(name: str, options=None, weights="none", variant="tiny", **recipe):
    settings = {"epochs": 1, **recipe}
    return registry.family(name).plan(
        variant=variant, weights=weights, options=options or {}, recipe=Recipe(**settings)
    )


def test_every_published_size_is_planned_with_its_own_recipe(name: str) -> None:
    family = registry.family(name)
    for variant, row in family.architecture.variants.items():
        found = plan(name, variant=variant)
        usual = {**family.architecture.recipe, **row.recipe}
        assert found.recipe.lr == usual["lr"] and found.recipe.image_size == usual["image_size"]
        assert found.recipe.clip_norm == usual["clip_norm"]
        assert found.options["norm"] == "batch"  # from random weights
        assert variant != "tiny" or row.checkpoint is None
    (entry,) = [entry for entry in found.ledger if entry.setting == "post-processing"]
    assert "queries x classes" in entry.used


def test_a_pretrained_backbone_has_the_rate_of_its_authors() -> None:
    from bench.adapters.query import planning

    row = registry.family("rt_detr").architecture
    usual = {**row.recipe, **row.variants["r101vd"].recipe}
    found = planning.recipe(Recipe(epochs=72), usual, {}, random=False, family="rt_detr")
    assert (found.lr, found.backbone_lr) == (1e-4, pytest.approx(1e-6))
    random = planning.recipe(Recipe(epochs=72), usual, {}, random=True, family="rt_detr")
    assert random.backbone_lr == 1e-4


@pytest.mark.parametrize(
    ("options", "recipe", "message"),
    [
        ({"queries": 0}, {}, "queries"),
        ({"class_cost": 0, "box_cost": 0, "giou_cost": 0}, {}, "can't all be 0"),
        ({"norm": "frozen"}, {}, "frozen batch norm"),
        ({}, {"optimizer": "sgd"}, "SGD"),
        ({}, {"loss": LossConfig(classification="weighted")}, "no other is built for it"),
        ({}, {"loss": LossConfig(background_weight=0.5)}, "no background class"),
        ({}, {"loss": LossConfig(l1_coefficient=3.0)}, None),
        ({"box_loss": 2.0}, {"loss": LossConfig(l1_coefficient=3.0)}, "same setting"),
    ],
)
def test_what_can_not_be_followed_is_refused_while_planning(name: str, options, recipe, message) -> None:
    if message is None:
        assert plan(name, options, **recipe).options["box_loss"] == 3.0
        return
    with pytest.raises((ConfigError, RecipeError), match=message):
        plan(name, options, **recipe)


def test_queries_start_from_feature_cells_of_which_there_must_be_enough() -> None:
    with pytest.raises(RecipeError, match="96 pixels has 180") as caught:
        plan("rt_detr", {"queries": 181})
    assert "set at most 180" in str(caught.value)
    assert plan("rt_detr", {"queries": 180}).options["queries"] == 180


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "message"),
    [({"decoder_layer": 2}, "no setting of transformers"), ({"decoder_layers": "two"}, "refuses it")],
)
def test_settings_that_transformers_does_not_have_are_refused(name: str, config, message) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(name, {"config": config})


@pytest.mark.slow
def test_settings_of_transformers_are_passed_on(name: str, make) -> None:
    network = make(name, options={"config": {"decoder_layers": 2}, "queries": 7}).trainable.detector
    assert len(network.model.decoder.layers) == 2
    assert network.config.num_queries == 7


@pytest.mark.slow
def test_a_saved_model_is_loaded_by_transformers_and_by_us(name: str, make, batch, tmp_path: Path) -> None:
    """The same outputs from transformers' own class, and from a start with `weights: FOLDER`."""
    import transformers

    from bench.adapters.query.quiet import silenced

    detector = make(name)
    _shift(detector)
    detector.save(tmp_path / "mine")
    prefix = detector.trainable.architecture.prefix
    with silenced():
        kind = getattr(transformers, f"{prefix}ForObjectDetection")
        theirs, about = kind.from_pretrained(tmp_path / "mine", output_loading_info=True)
    assert not about["missing_keys"] and not about["mismatched_keys"]
    assert all(key.endswith("num_batches_tracked") for key in about["unexpected_keys"])
    again = make(name, weights=str(tmp_path / "mine"), options={"norm": "batch"})
    own = detector.trainable.eval()
    pixels, mask = own.inputs(batch)
    with torch.no_grad():
        expected = own.detector(pixel_values=pixels, pixel_mask=mask)
        for network in (theirs.eval(), again.trainable.eval().detector):
            found = network(pixel_values=pixels, pixel_mask=mask)
            torch.testing.assert_close(found.logits, expected.logits, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(found.pred_boxes, expected.pred_boxes, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_other_classes_get_new_heads_and_keep_all_else(name: str, make, tmp_path: Path) -> None:
    source = make(name)
    _shift(source)
    source.save(tmp_path / "mine")
    ours = make(name, classes=("sky",), weights=str(tmp_path / "mine"), options={"norm": "batch"})
    theirs, found = source.trainable.state_dict(), ours.trainable.state_dict()
    shapes = {key for key in theirs if theirs[key].shape != found[key].shape}
    heads = {key for key in theirs if _has_rows(source.trainable, key)}
    assert shapes == heads and heads
    assert all(torch.equal(theirs[key], found[key]) for key in theirs if key not in heads)


@pytest.mark.slow
def test_untrained_the_published_classes_are_taken_by_name(name: str, make, tmp_path: Path) -> None:
    source = make(name)
    _shift(source)
    source.save(tmp_path / "mine")
    ours = make(name, classes=("Sky", "moon"), weights=str(tmp_path / "mine"), epochs=0)
    assert ours.describe().class_map == {"Sky": "sky", "moon": None}
    theirs, found = source.trainable.state_dict(), ours.trainable.state_dict()
    biases = [key for key in theirs if _has_rows(source.trainable, key) and key.endswith(".bias")]
    assert biases
    for key in biases:
        assert found[key][0] == theirs[key][2] and found[key][1] < -1000


@pytest.mark.slow
def test_tensors_that_do_not_fit_are_named(name: str, make, tmp_path: Path) -> None:
    make(name).save(tmp_path / "mine")
    file = tmp_path / "mine" / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"decoder_layers": config["decoder_layers"] - 1}))
    with pytest.raises(WeightsError, match=r"(bbox_embed|layers)\.\d"):
        make(name, weights=str(tmp_path / "mine"))
    file.write_text(json.dumps(config | {"model_type": "yolos"}))
    with pytest.raises(WeightsError, match=r"(?s)model_type.*yolos"):
        make(name, weights=str(tmp_path / "mine"))


def _shift(detector) -> None:
    """Weights that no fresh network has."""
    with torch.no_grad():
        for number, parameter in enumerate(detector.trainable.parameters()):
            generator = torch.Generator().manual_seed(number)
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=generator))


def _has_rows(trainable, key: str) -> bool:
    import re

    name = key.rpartition(".")[0]
    architecture = trainable.architecture
    return bool(re.fullmatch(architecture.class_heads, name)) or name == architecture.label_embedding


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv_encoder.model.conv1.weight", "embedder.embedder.convolution.weight"),
        ("conv_encoder.model._backbone.bn1.bias", "embedder.embedder.normalization.bias"),
        ("model.layer2.0.conv3.weight", "encoder.stages.1.layers.0.layer.2.convolution.weight"),
        ("model.layer4.2.bn1.running_var", "encoder.stages.3.layers.2.layer.0.normalization.running_var"),
        ("model.layer3.0.downsample.0.weight", "encoder.stages.2.layers.0.shortcut.convolution.weight"),
    ],
)
def test_backbones_of_timm_are_known_by_their_names(theirs: str, ours: str) -> None:
    """Checked once by hand: networks with timm's backbone give the same outputs as ours, loaded from them."""
    from bench.adapters.transformers_detr.weights import _of_transformers

    assert _of_transformers(f"model.backbone.{theirs}").endswith(f"model.{ours}")


def test_a_checkpoint_with_a_backbone_of_timm_gets_ours(tmp_path: Path) -> None:
    from bench.adapters.transformers_detr import checkpoint

    architecture = registry.family("deformable_detr").architecture
    content = {"model_type": "deformable_detr", "use_timm_backbone": True, "backbone": "resnet50"}
    (tmp_path / "config.json").write_text(json.dumps(content))
    found = checkpoint.config(tmp_path, architecture)
    assert found["backbone_config"]["depths"] == (3, 4, 6, 3) and "use_timm_backbone" not in found
    for other in ({"backbone": "resnet101"}, {"dilation": True}):
        (tmp_path / "config.json").write_text(json.dumps(content | other))
        with pytest.raises(WeightsError, match="not supported"):
            checkpoint.config(tmp_path, architecture)
