"""The official checkpoints' names, as published: 626 tensors of the 4-scale ResNet-50."""

import pytest
import torch
from transformers import DeformableDetrConfig, ResNetConfig

from bench.adapters.dino.denoising import Denoising
from bench.adapters.dino.network import DinoNetwork
from bench.adapters.dino.official import renamed, translated

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def published() -> DinoNetwork:
    config = DeformableDetrConfig(
        backbone_config=ResNetConfig(out_features=["stage2", "stage3", "stage4"]),
        num_queries=900,
        num_labels=91,
        decoder_ffn_dim=2048,
        encoder_ffn_dim=2048,
    )
    with torch.device("meta"):
        return DinoNetwork(config, denoising=Denoising())


def test_every_tensor_of_the_published_network_has_its_place(published, official) -> None:
    names = list(official())
    assert len(names) == len(set(names)) == 626
    tensors = {name: torch.empty(768 if "in_proj" in name else 1) for name in names}
    found, left_out = translated(tensors)
    assert set(found) == set(published.state_dict())
    assert len(left_out) == 6 * 8 + 5 * 8  # the decoder's copies, and shared heads


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        # Self-attention's norm is the second in DINO's decoder layer: cross-attention has the first.
        (
            "transformer.decoder.layers.3.norm1.weight",
            "model.decoder.layers.3.encoder_attn_layer_norm.weight",
        ),
        ("transformer.decoder.layers.3.norm2.bias", "model.decoder.layers.3.self_attn_layer_norm.bias"),
        ("transformer.encoder.layers.0.norm1.weight", "model.encoder.layers.0.self_attn_layer_norm.weight"),
        (
            "backbone.0.body.layer4.2.bn3.running_var",
            "model.backbone.model.encoder.stages.3.layers.2.layer.2.normalization.running_var",
        ),
        ("bbox_embed.4.layers.0.weight", None),
    ],
)
def test_names(theirs: str, ours: str | None) -> None:
    assert renamed(theirs) == ours


def test_attention_is_split_into_query_key_and_value() -> None:
    name = "transformer.decoder.layers.0.self_attn.in_proj_weight"
    found, _ = translated({name: torch.arange(6.0)[:, None]})
    head = "model.decoder.layers.0.self_attn"
    assert [found[f"{head}.{part}_proj.weight"].flatten().tolist() for part in "qkv"] == [
        [0, 1],
        [2, 3],
        [4, 5],
    ]
