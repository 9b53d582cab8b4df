"""RT-DETRv2: Lv et al. 2024, Improved Baseline with Bag-of-Freebies (arXiv:2407.17140). No torch."""

from typing import Any

from bench.adapters.transformers_detr.architecture import Architecture, Variant
from bench.adapters.transformers_detr.family import TransformersDetrFamily
from bench.adapters.transformers_detr.rt_detr import (
    R18,
    R34,
    R50,
    R101,
    R101_RECIPE,
    SHARED,
    TINY,
    TINY_RECIPE,
)

HUB = "PekingU/rtdetr_v2"


def share_heads(network: Any) -> None:
    """The network and its decoder have one set of heads."""
    network.class_embed = network.model.decoder.class_embed
    network.bbox_embed = network.model.decoder.bbox_embed


TWICE: dict[str, Any] = {
    "fixed_config": {"tie_word_embeddings": False},
    "finish": share_heads,
    "class_heads": r"(model\.decoder\.)?class_embed\.\d+|model\.enc_score_head",
}
"""Of networks that name their heads twice."""

RT_DETR_V2 = Architecture(
    name="rt_detr_v2",
    title="RT-DETRv2",
    model_type="rt_detr_v2",
    prefix="RTDetrV2",
    variants={
        "r50vd": Variant("RT-DETRv2-M, ResNet-50, 43 million parameters", R50, {}, f"{HUB}_r50vd"),
        "r18vd": Variant("RT-DETRv2-S, ResNet-18, 20 million parameters", R18, {}, f"{HUB}_r18vd"),
        "r34vd": Variant("RT-DETRv2, ResNet-34, 31 million parameters", R34, {}, f"{HUB}_r34vd"),
        "r101vd": Variant("RT-DETRv2, ResNet-101, 77 million parameters", R101, R101_RECIPE, f"{HUB}_r101vd"),
        "tiny": Variant(
            "0.6 million parameters; learns the synthetic scenes from random weights",
            {**TINY, "decoder_n_levels": 2},
            TINY_RECIPE,
        ),
    },
    **{**SHARED, **TWICE},
)

FAMILY = TransformersDetrFamily(RT_DETR_V2)
