"""Deformable DETR's heads, shared or not, and its two-stage encoder."""

from typing import Any

import pytest
import torch

from bench import registry
from bench.recipe import Recipe

pytestmark = pytest.mark.slow

TWO_STAGE = {"config": {"two_stage": True}}
PLAIN = {"config": {"with_box_refine": False}}


def heads(network: Any) -> int:
    """How many class heads have weights of their own."""
    return len({id(head.weight) for head in network.class_embed})


def test_with_refinement_every_layer_has_heads_of_its_own(make) -> None:
    """transformers ties them, so that published heads would be overwritten by the first."""
    network = make("deformable_detr").trainable.detector
    assert heads(network) == 3
    assert network.model.decoder.bbox_embed is network.bbox_embed
    assert network.bbox_embed[0].layers[-1].bias.tolist() == [0, 0, -2, -2]
    assert network.bbox_embed[1].layers[-1].bias.tolist() == [0, 0, 0, 0]


def test_without_refinement_all_layers_share_their_heads(make) -> None:
    network = make("deformable_detr", options=PLAIN).trainable.detector
    assert heads(network) == 1 and network.bbox_embed[2] is network.bbox_embed[0]


@pytest.mark.parametrize("options", [PLAIN, {}, TWO_STAGE])
def test_loaded_heads_are_those_that_were_saved(options, make, batch, tmp_path) -> None:
    detector = make("deformable_detr", options=options)
    with torch.no_grad():
        for number, parameter in enumerate(detector.trainable.parameters()):
            parameter.add_(0.05 * (number % 7))
    detector.save(tmp_path / "mine")
    again = make("deformable_detr", weights=str(tmp_path / "mine"), options={"norm": "batch"})
    assert heads(again.trainable.detector) == heads(detector.trainable.detector)
    saved, found = detector.trainable.state_dict(), again.trainable.state_dict()
    assert all(torch.equal(saved[key], found[key]) for key in saved)


def test_heads_that_are_stored_once_are_found_under_their_other_name(make, tmp_path) -> None:
    """As in published files, which leave the decoder's copies out."""
    from safetensors.torch import load_file, save_file

    detector = make("deformable_detr")
    detector.save(tmp_path / "mine")
    file = tmp_path / "mine" / "model.safetensors"
    tensors = load_file(file)
    copies = [key for key in tensors if key.startswith("model.decoder.bbox_embed.")]
    assert copies
    save_file({key: tensor for key, tensor in tensors.items() if key not in copies}, file)
    again = make("deformable_detr", weights=str(tmp_path / "mine"), options={"norm": "batch"})
    saved, found = detector.trainable.state_dict(), again.trainable.state_dict()
    assert all(torch.equal(saved[key], found[key]) for key in saved)


def test_the_proposals_of_the_encoder_are_trained(make, batch) -> None:
    """transformers' loss leaves them out: twelve tensors would never change."""
    trainable = make("deformable_detr", options=TWO_STAGE).trainable.train()
    losses = trainable(batch)
    assert all(float(losses[f"{part}_encoder"].detach()) > 0 for part in ("class", "box", "giou"))
    sum(trainable.loss_weights[name] * loss for name, loss in losses.items()).backward()
    learnt = {key: value for key, value in trainable.named_parameters() if value.requires_grad}
    assert [key for key, parameter in learnt.items() if parameter.grad is None] == []
    assert trainable.detector.class_embed[-1].weight.grad.abs().sum() > 0


def test_a_two_stage_encoder_learns_whether_there_is_an_object_not_which(make, batch) -> None:
    trainable = make("deformable_detr", options=TWO_STAGE).trainable.eval()
    with torch.no_grad():
        losses = trainable(batch)
        for target in batch.targets:
            target.labels[:] = 1
        others = trainable(batch)
    assert losses["class_encoder"] == others["class_encoder"] and losses["class"] != others["class"]


def test_the_published_sizes_differ_in_refinement_and_queries() -> None:
    family = registry.family("deformable_detr")
    plans = {
        variant: family.plan(variant=variant, weights="none", options={}, recipe=Recipe(epochs=50))
        for variant in ("r50", "r50-refine", "r50-two-stage")
    }
    found = {name: plan.options["config"] for name, plan in plans.items()}
    assert [bool(config.get("with_box_refine")) for config in found.values()] == [False, True, True]
    assert [bool(config.get("two_stage")) for config in found.values()] == [False, False, True]
    assert plans["r50"].recipe.lr == 2e-4 and plans["r50"].options["class_loss"] == 2.0
