"""Conditional DETR (Meng et al. 2021, arXiv:2108.06152) and DAB-DETR (Liu et al. 2022, arXiv:2201.12329).

No torch. Both have one feature level and queries with a place: a point, or an anchor box.
"""

from collections.abc import Mapping
from typing import Any

from bench.adapters.query.planning import DEFAULTS
from bench.adapters.transformers_detr.architecture import Architecture, Variant
from bench.adapters.transformers_detr.family import TransformersDetrFamily

R50: dict[str, Any] = {
    "backbone_config": {
        "model_type": "resnet",
        "depths": (3, 4, 6, 3),
        "layer_type": "bottleneck",
        "hidden_sizes": (256, 512, 1024, 2048),
        "out_features": ["stage4"],
    }
}
TINY: dict[str, Any] = {
    "backbone_config": {
        "model_type": "resnet",
        "layer_type": "basic",
        "embedding_size": 24,
        "depths": (1, 1, 1),
        "hidden_sizes": (24, 48, 96),
        "out_features": ["stage3"],
    },
    "num_queries": 20,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_layers": 3,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 128,
    "dropout": 0.0,
}
TINY_RECIPE = {"image_size": 96, "lr": 1e-3, "schedule": "cosine", "warmup_epochs": 2.0, "clip_norm": 1.0}


def strides(config: Mapping[str, Any]) -> tuple[int, ...]:
    """That of the backbone's last stage."""
    return (2 ** (len(config["backbone_config"]["depths"]) + 1),)


def spread_points(network: Any) -> None:
    """As torch's own embeddings: from transformers' the reference points are all in the image's middle."""
    network.model.query_position_embeddings.reset_parameters()


def spread_anchors(network: Any) -> None:
    """As `spread_points`; the decoder refines boxes by the head of the network."""
    network.model.query_refpoint_embeddings.reset_parameters()
    network.model.decoder.bbox_embed = network.bbox_predictor


SHARED: dict[str, Any] = {
    "strides": strides,
    "keep_initialised": r"backbone",
    "xavier": r"^model\.(encoder|decoder)\.",
    "zeroed": r"bbox_(predictor|embed)\.layers\.2$",
    "loss": "focal loss (alpha 0.25, gamma 2)",
    "losses": {"loss_ce": "class", "loss_bbox": "box", "loss_giou": "giou"},
    "costs": {"class": "class_cost", "box": "bbox_cost", "giou": "giou_cost"},
    "default_costs": {"class": 2.0, "box": 5.0, "giou": 2.0},
    "recipe": DEFAULTS,
}

CONDITIONAL_DETR = Architecture(
    name="conditional_detr",
    title="Conditional DETR",
    model_type="conditional_detr",
    prefix="ConditionalDetr",
    variants={
        "r50": Variant("ResNet-50, 43 million parameters", R50, {}, "microsoft/conditional-detr-resnet-50"),
        "tiny": Variant("0.5 million parameters; from random weights", {**TINY, "d_model": 64}, TINY_RECIPE),
    },
    parts={
        "backbone": ("model.backbone",),
        "encoder": ("model.input_projection", "model.encoder"),
        "decoder": ("model.query_position_embeddings", "model.decoder"),
        "head": ("class_labels_classifier", "bbox_predictor"),
    },
    class_heads="class_labels_classifier",
    fixed_config={"auxiliary_loss": True},
    finish=spread_points,
    loss_weights={"class": 2.0, "box": 5.0, "giou": 2.0},
    top=100,
    **SHARED,
)

DAB_DETR = Architecture(
    name="dab_detr",
    title="DAB-DETR",
    model_type="dab-detr",
    prefix="DabDetr",
    variants={
        "r50": Variant("ResNet-50, 44 million parameters", R50, {}, "IDEA-Research/dab-detr-resnet-50"),
        "tiny": Variant(
            "0.5 million parameters; from random weights", {**TINY, "hidden_size": 64}, TINY_RECIPE
        ),
    },
    parts={
        "backbone": ("model.backbone",),
        "encoder": ("model.input_projection", "model.encoder"),
        "decoder": (
            "model.query_refpoint_embeddings",
            "model.decoder.layers",
            "model.decoder.layernorm",
            "model.decoder.query_scale",
            "model.decoder.ref_point_head",
            "model.decoder.ref_anchor_head",
        ),
        "head": ("class_embed", "bbox_predictor", "model.decoder.bbox_embed"),
    },
    class_heads="class_embed",
    fixed_config={"auxiliary_loss": True, "tie_word_embeddings": False},
    finish=spread_anchors,
    loss_weights={"class": 1.0, "box": 5.0, "giou": 2.0},
    top=300,
    **SHARED,
)

CONDITIONAL_FAMILY = TransformersDetrFamily(CONDITIONAL_DETR)
DAB_FAMILY = TransformersDetrFamily(DAB_DETR)
