"""Deformable DETR: Zhu et al. 2021 (arXiv:2010.04159). No torch."""

from collections.abc import Mapping
from typing import Any

from bench.adapters.query.planning import DEFAULTS
from bench.adapters.transformers_detr.architecture import Architecture, Variant
from bench.adapters.transformers_detr.family import TransformersDetrFamily
from bench.records import LedgerEntry

HUB = "SenseTime/deformable-detr"
R50: dict[str, Any] = {
    "backbone_config": {
        "model_type": "resnet",
        "depths": (3, 4, 6, 3),
        "layer_type": "bottleneck",
        "hidden_sizes": (256, 512, 1024, 2048),
        "out_features": ["stage2", "stage3", "stage4"],
    }
}
REFINED = {**R50, "with_box_refine": True}
TWO_STAGE = {**REFINED, "two_stage": True}
TINY: dict[str, Any] = {
    "backbone_config": {
        "model_type": "resnet",
        "layer_type": "basic",
        "embedding_size": 24,
        "depths": (1, 1, 1),
        "hidden_sizes": (24, 48, 96),
        "out_features": ["stage2", "stage3"],
    },
    "num_feature_levels": 2,
    "with_box_refine": True,
    "d_model": 64,
    "num_queries": 20,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_layers": 3,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 128,
    "dropout": 0.0,
}
TINY_RECIPE = {"image_size": 96, "lr": 1e-3, "schedule": "cosine", "clip_norm": 1.0}
"""Measured on the synthetic scenes."""

SIDE_LOGIT = -2.0
"""Width and height of the boxes before training: 0.12 of the image."""


def strides(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Those of the backbone's stages, then doubled by convolutions."""
    stages = [int(name.removeprefix("stage")) for name in config["backbone_config"]["out_features"]]
    first = min(stages) + 1
    return tuple(2 ** (first + level) for level in range(config.get("num_feature_levels", 4)))


def share_heads(network: Any) -> None:
    """As the authors' code: with refinement every layer has its own heads, else all have the same.

    transformers ties the class heads of all layers in either case.
    """
    decoder, boxes = network.model.decoder, network.bbox_embed
    if not network.config.with_box_refine:
        for heads in (network.class_embed, boxes):
            for layer in range(1, len(heads)):
                heads[layer] = heads[0]
    else:
        decoder.bbox_embed = boxes
    if network.config.two_stage:
        decoder.class_embed = network.class_embed
    else:
        boxes[0].layers[-1].bias.data[2:] = SIDE_LOGIT


DEFORMABLE_DETR = Architecture(
    name="deformable_detr",
    title="Deformable DETR",
    model_type="deformable_detr",
    prefix="DeformableDetr",
    variants={
        "r50-refine": Variant(
            "with box refinement, ResNet-50, 41 million parameters", REFINED, {}, f"{HUB}-with-box-refine"
        ),
        "r50": Variant("ResNet-50, 40 million parameters", R50, {}, HUB),
        "r50-two-stage": Variant(
            "with box refinement and queries from the encoder, ResNet-50, 41 million parameters",
            TWO_STAGE,
            {},
            f"{HUB}-with-box-refine-two-stage",
        ),
        "tiny": Variant(
            "0.5 million parameters, refined; learns the synthetic scenes from random weights",
            TINY,
            TINY_RECIPE,
        ),
    },
    strides=strides,
    parts={
        "backbone": ("model.backbone",),
        "encoder": ("model.input_proj", "model.encoder", "model.enc_output", "model.enc_output_norm"),
        "decoder": (
            "model.query_position_embeddings",
            "model.reference_points",
            "model.decoder.layers",
            "model.pos_trans",
            "model.pos_trans_norm",
        ),
        "head": ("class_embed", "bbox_embed", "model.decoder.class_embed", "model.decoder.bbox_embed"),
    },
    class_heads=r"(model\.decoder\.)?class_embed\.\d+",
    fixed_config={"auxiliary_loss": True, "tie_word_embeddings": False, "disable_custom_kernels": True},
    keep_initialised=r"backbone|sampling_offsets|attention_weights|value_proj|output_proj|reference_points",
    xavier=r"^model\.(encoder|decoder\.layers|input_proj)\.",
    zeroed=r"bbox_embed\.\d+\.layers\.2$",
    finish=share_heads,
    loss="focal loss (alpha 0.25, gamma 2)",
    losses={"loss_ce": "class", "loss_bbox": "box", "loss_giou": "giou"},
    loss_weights={"class": 2.0, "box": 5.0, "giou": 2.0},
    costs={"class": "class_cost", "box": "bbox_cost", "giou": "giou_cost"},
    default_costs={"class": 2.0, "box": 5.0, "giou": 2.0},
    queries=("num_queries", "two_stage_num_proposals"),
    selects_queries=lambda config: bool(config.get("two_stage")),
    encoder_loss=True,
    top=100,
    recipe={**DEFAULTS, "lr": 2e-4},
    notes=(
        LedgerEntry(
            setting="lr",
            asked="a tenth for sampling offsets and reference points",
            used="the same rate",
            why="its authors train these layers more slowly; here all parts but the backbone share one rate",
        ),
    ),
)

FAMILY = TransformersDetrFamily(DEFORMABLE_DETR)
