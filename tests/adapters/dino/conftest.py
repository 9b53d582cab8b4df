"""A DINO that is small enough for every test."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from transformers import DeformableDetrConfig, ResNetConfig

from bench.adapters.dino.denoising import Denoising
from bench.adapters.dino.network import DinoNetwork

CLASSES, QUERIES, WIDTH = 5, 12, 32


def both(*names: str) -> Iterator[str]:
    for name in names:
        yield f"{name}.weight"
        yield f"{name}.bias"


def official_names(layers: int = 6, levels: int = 4, blocks: Sequence[int] = (3, 4, 6, 3)) -> Iterator[str]:
    """Of DINO with a ResNet of bottlenecks, written down from the published code (models/dino)."""
    yield from ("transformer.level_embed", "transformer.tgt_embed.weight", "label_enc.weight")
    attention = ("sampling_offsets", "attention_weights", "value_proj", "output_proj")
    for layer in range(layers):
        head = f"transformer.encoder.layers.{layer}"
        yield from both(*(f"{head}.self_attn.{part}" for part in attention))
        yield from both(*(f"{head}.{part}" for part in ("norm1", "norm2", "linear1", "linear2")))
        head = f"transformer.decoder.layers.{layer}"
        yield from both(*(f"{head}.cross_attn.{part}" for part in attention))
        yield from (f"{head}.self_attn.in_proj_weight", f"{head}.self_attn.in_proj_bias")
        yield from both(f"{head}.self_attn.out_proj")
        yield from both(*(f"{head}.{part}" for part in ("norm1", "norm2", "norm3", "linear1", "linear2")))
        for copy in ("", "transformer.decoder."):
            yield from both(f"{copy}class_embed.{layer}")
            yield from both(*(f"{copy}bbox_embed.{layer}.layers.{place}" for place in range(3)))
    yield from both(*(f"transformer.decoder.ref_point_head.layers.{place}" for place in range(2)))
    yield from both("transformer.decoder.norm", "transformer.enc_output", "transformer.enc_output_norm")
    yield from both("transformer.enc_out_class_embed")
    yield from both(*(f"transformer.enc_out_bbox_embed.layers.{place}" for place in range(3)))
    for level in range(levels):
        yield from both(f"input_proj.{level}.0", f"input_proj.{level}.1")
    norm = ("weight", "bias", "running_mean", "running_var")
    yield "backbone.0.body.conv1.weight"
    yield from (f"backbone.0.body.bn1.{part}" for part in norm)
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            head = f"backbone.0.body.layer{stage}.{block}"
            for place in (1, 2, 3):
                yield f"{head}.conv{place}.weight"
                yield from (f"{head}.bn{place}.{part}" for part in norm)
            if block == 0:
                yield f"{head}.downsample.0.weight"
                yield from (f"{head}.downsample.1.{part}" for part in norm)


@pytest.fixture(scope="session")
def official() -> Callable[..., Iterator[str]]:
    return official_names


@pytest.fixture
def make_network() -> Callable[..., DinoNetwork]:
    def make(**settings: Any) -> DinoNetwork:
        backbone = ResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 16, 24, 32],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage3", "stage4"],
        )
        config = DeformableDetrConfig(
            backbone_config=backbone,
            num_queries=QUERIES,
            num_labels=CLASSES,
            d_model=WIDTH,
            encoder_layers=1,
            decoder_layers=3,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            num_feature_levels=2,
            dropout=0.0,
        )
        torch.manual_seed(0)
        return DinoNetwork(config, **{"denoising": Denoising(pairs=6), **settings})

    return make


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Two images, the second padded on the right."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(2, 3, 96, 128, generator=generator)
    mask = torch.ones(2, 96, 128, dtype=torch.bool)
    mask[1, :, 64:] = False
    return pixels * mask[:, None], mask


@pytest.fixture
def labels() -> list[dict[str, torch.Tensor]]:
    """Two objects and one."""
    return [
        {
            "class_labels": torch.tensor([1, 4]),
            "boxes": torch.tensor([[0.5, 0.5, 0.2, 0.4], [0.25, 0.3, 0.1, 0.1]]),
        },
        {"class_labels": torch.tensor([0]), "boxes": torch.tensor([[0.6, 0.4, 0.3, 0.2]])},
    ]
