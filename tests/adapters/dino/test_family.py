"""DINO as a family: what it plans, which weights it takes, and what it makes of other classes."""

import argparse
import re
from pathlib import Path

import pytest
import torch

from bench import registry
from bench.adapters.dino.official import renamed
from bench.errors import ConfigError, RecipeError, WeightsError
from bench.loss import LossConfig
from bench.recipe import Recipe

FAMILY = registry.family("dino")
SMALL = {
    "depths": [1, 1, 1, 1],
    "widths": [16, 16, 24, 32],
    "stem": 8,
    "width": 32,
    "heads": 4,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "feedforward": 48,
    "queries": 10,
}
"""The published architecture, small enough for a test."""


def plan(weights: str = "none", **recipe):
    settings = {"epochs": 1, "batch_size": 2, "image_size": 128, **recipe}
    return FAMILY.plan(variant="resnet-50", weights=weights, options=SMALL, recipe=Recipe(**settings))


@pytest.fixture
def checkpoint(tmp_path: Path, official) -> Path:
    """Of COCO's 91 ids, with the names and the wrapping of DINO's own training script."""
    network = FAMILY.build(plan(), classes=["x"] * 91, seed=3, device="cpu").trainable.dino
    state = network.state_dict()
    tensors = {}
    for name in official(layers=2, levels=4, blocks=(1, 1, 1, 1)):
        one_head = re.sub(r"(?:transformer\.decoder\.)?(class|bbox)_embed\.\d", r"\1_embed.0", name)
        ours = renamed(one_head)
        if "in_proj" in name:
            head, _, kind = ours.rpartition(".in_proj_")
            tensors[name] = torch.cat([state[f"{head}.{part}_proj.{kind}"] for part in "qkv"])
        else:
            tensors[name] = state[ours]
    path = tmp_path / "checkpoint0011_4scale.pth"
    torch.save({"model": tensors, "epoch": 11, "args": argparse.Namespace(num_classes=91)}, path)
    return path


def test_the_published_recipe_is_filled_in_and_random_backbones_train_at_the_full_rate() -> None:
    found = FAMILY.plan(variant=None, weights=None, options={}, recipe=Recipe(epochs=12))
    assert (found.variant, found.weights) == ("resnet-50", "none")
    assert (found.recipe.lr, found.recipe.backbone_lr, found.recipe.clip_norm) == (1e-4, 1e-4, 0.1)
    options = found.options
    assert (options["queries"], options["levels"], options["norm"]) == (900, 4, "batch")
    assert (options["class_cost"], options["box_cost"], options["giou_cost"]) == (2.0, 5.0, 2.0)


@pytest.mark.parametrize(
    ("options", "recipe", "message"),
    [
        ({"queries": 0}, {}, "queries"),
        ({"heads": 5}, {}, "width must be a multiple of heads"),
        ({"query_selection": "best"}, {}, "query_selection"),
        ({"norm": "frozen"}, {}, "frozen batch norm"),
        ({}, {"image_size": 32}, "shrinks an image 64 times"),
        ({}, {"optimizer": "sgd"}, "SGD"),
        ({}, {"loss": LossConfig(classification="weighted")}, "its own focal loss"),
        ({}, {"loss": LossConfig(background_weight=0.5)}, "no background class"),
    ],
)
def test_what_can_not_be_followed_is_refused_while_planning(options, recipe, message) -> None:
    with pytest.raises((ConfigError, RecipeError), match=message):
        FAMILY.plan(
            variant="resnet-50", weights="none", options=options, recipe=Recipe(**{"epochs": 1, **recipe})
        )


@pytest.mark.slow
def test_a_fine_tune_for_one_class_keeps_all_but_the_class_heads(checkpoint: Path) -> None:
    """`num_classes` and the label book follow from the data."""
    detector = FAMILY.build(plan(str(checkpoint)), classes=["person"], seed=0, device="cpu")
    source = torch.load(checkpoint, weights_only=False)["model"]
    network = detector.trainable.dino
    assert torch.equal(network.tgt_embed.weight, source["transformer.tgt_embed.weight"])
    assert torch.equal(network.enc_box.layers[2].bias, source["transformer.enc_out_bbox_embed.layers.2.bias"])
    assert network.class_embed.weight.shape == (1, 32) and network.label_enc.weight.shape == (2, 32)
    low = dict(network.model.backbone.named_parameters())
    frozen = {name for name, parameter in low.items() if not parameter.requires_grad}
    assert frozen and all(name.startswith(("model.embedder.", "model.encoder.stages.0.")) for name in frozen)


@pytest.mark.slow
def test_untrained_the_published_classes_are_taken_by_name(checkpoint: Path) -> None:
    detector = FAMILY.build(
        plan(str(checkpoint), epochs=0), classes=["person", "brick"], seed=0, device="cpu"
    )
    source = torch.load(checkpoint, weights_only=False)["model"]
    head = detector.trainable.dino.class_embed
    assert torch.equal(head.weight[0], source["class_embed.0.weight"][1])  # COCO's id of persons
    assert head.bias[1] < -1000  # nobody knows bricks
    assert detector.describe().class_map == {"person": "person", "brick": None}


@pytest.mark.slow
def test_tensors_that_do_not_fit_are_named(checkpoint: Path) -> None:
    wider = FAMILY.plan(
        variant="resnet-50",
        weights=str(checkpoint),
        options={**SMALL, "feedforward": 64},
        recipe=Recipe(epochs=1, image_size=128),
    )
    with pytest.raises(WeightsError, match=r"mlp\.fc1"):
        FAMILY.build(wider, classes=["person"], seed=0, device="cpu")


@pytest.mark.slow
def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"model": {"weight": torch.ones(1)}}, path)
    with pytest.raises(WeightsError, match="is no checkpoint of DINO"):
        FAMILY.build(plan(str(path)), classes=["person"], seed=0, device="cpu")
