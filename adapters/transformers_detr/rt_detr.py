"""RT-DETR: Zhao et al. 2024, DETRs Beat YOLOs on Real-time Object Detection (arXiv:2304.08069). No torch."""

from typing import Any

from bench.adapters.query.planning import DEFAULTS
from bench.adapters.transformers_detr.architecture import Architecture, Variant
from bench.adapters.transformers_detr.family import TransformersDetrFamily
from bench.records import LedgerEntry


def resnet(depths: tuple[int, ...], *, basic: bool) -> dict[str, Any]:
    """The backbone's config: a ResNet-D, whose last three stages the encoder gets."""
    return {
        "model_type": "rt_detr_resnet",
        "depths": depths,
        "layer_type": "basic" if basic else "bottleneck",
        "hidden_sizes": (64, 128, 256, 512) if basic else (256, 512, 1024, 2048),
        "out_indices": (2, 3, 4),
    }


def small(depths: tuple[int, ...], decoder_layers: int) -> dict[str, Any]:
    """The config of R18 and R34 (lyuwenyu/RT-DETR, configs/rtdetr)."""
    return {
        "backbone_config": resnet(depths, basic=True),
        "encoder_in_channels": (128, 256, 512),
        "hidden_expansion": 0.5,
        "decoder_layers": decoder_layers,
    }


R18, R34 = small((2, 2, 2, 2), 3), small((3, 4, 6, 3), 4)
R50: dict[str, Any] = {"backbone_config": resnet((3, 4, 6, 3), basic=False)}
R101: dict[str, Any] = {
    "backbone_config": resnet((3, 4, 23, 3), basic=False),
    "encoder_ffn_dim": 2048,
    "encoder_hidden_dim": 384,
    "decoder_in_channels": (384, 384, 384),
}
R101_RECIPE = {"backbone_lr_ratio": 0.01}
TINY: dict[str, Any] = {
    "backbone_config": {
        "model_type": "rt_detr_resnet",
        "layer_type": "basic",
        "embedding_size": 24,
        "depths": (1, 1, 1),
        "hidden_sizes": (24, 48, 96),
        "out_indices": (2, 3),
    },
    "encoder_in_channels": (48, 96),
    "feat_strides": (8, 16),
    "encode_proj_layers": (1,),
    "encoder_hidden_dim": 64,
    "encoder_ffn_dim": 128,
    "encoder_attention_heads": 4,
    "hidden_expansion": 0.5,
    "d_model": 64,
    "num_queries": 20,
    "num_denoising": 20,
    "num_feature_levels": 2,
    "decoder_in_channels": (64, 64),
    "decoder_layers": 3,
    "decoder_ffn_dim": 128,
    "decoder_attention_heads": 4,
}
TINY_RECIPE = {"image_size": 96, "lr": 1e-3, "schedule": "cosine", "clip_norm": 1.0}
"""Measured on the synthetic scenes."""

SHARED: dict[str, Any] = {
    "parts": {
        "backbone": ("model.backbone",),
        "encoder": (
            "model.encoder_input_proj",
            "model.encoder",
            "model.decoder_input_proj",
            "model.enc_output",
        ),
        "decoder": (
            "model.decoder.layers",
            "model.decoder.query_pos_head",
            "model.denoising_class_embed",
            "model.weight_embedding",
        ),
        "head": (
            "model.decoder.class_embed",
            "model.decoder.bbox_embed",
            "model.enc_score_head",
            "model.enc_bbox_head",
        ),
    },
    "strides": lambda config: tuple(config.get("feat_strides", (8, 16, 32))),
    "class_heads": r"model\.decoder\.class_embed\.\d+|model\.enc_score_head",
    "label_embedding": "model.denoising_class_embed",
    "keep_initialised": r"class_embed|bbox_embed\.\d+\.layers\.2$|enc_score_head|encoder_attn",
    "xavier": r"\.(q|k|v|o)_proj$",
    "zeroed": r"enc_bbox_head\.layers\.2$",
    "loss": "varifocal loss",
    "losses": {"loss_vfl": "class", "loss_bbox": "box", "loss_giou": "giou"},
    "loss_weights": {"class": 1.0, "box": 5.0, "giou": 2.0},
    "loss_config": {"class": "weight_loss_vfl", "box": "weight_loss_bbox", "giou": "weight_loss_giou"},
    "costs": {"class": "matcher_class_cost", "box": "matcher_bbox_cost", "giou": "matcher_giou_cost"},
    "default_costs": {"class": 2.0, "box": 5.0, "giou": 2.0},
    "denoising": "num_denoising",
    "selects_queries": lambda config: True,
    "frozen_norm": "freeze_backbone_batch_norms",
    "normalisation": "unit",
    "square": True,
    "frozen_when_pretrained": False,
    "recipe": DEFAULTS
    | {"image_size": 640, "schedule": "constant", "warmup_epochs": 0.3, "decay_norms": False},
    "notes": (
        LedgerEntry(
            setting="preprocessing",
            asked="image without padding",
            used="padded to a square",
            why="its network sees the padding; its authors stretch images to a square instead",
        ),
    ),
}
"""What its successors share with it."""

RT_DETR = Architecture(
    name="rt_detr",
    title="RT-DETR",
    model_type="rt_detr",
    prefix="RTDetr",
    variants={
        "r50vd": Variant("RT-DETR-R50, 43 million parameters", R50, {}, "PekingU/rtdetr_r50vd"),
        "r18vd": Variant("RT-DETR-R18, 20 million parameters", R18, {}, "PekingU/rtdetr_r18vd"),
        "r34vd": Variant("RT-DETR-R34, 31 million parameters", R34, {}, "PekingU/rtdetr_r34vd"),
        "r101vd": Variant("RT-DETR-R101, 77 million parameters", R101, R101_RECIPE, "PekingU/rtdetr_r101vd"),
        "tiny": Variant(
            "0.6 million parameters; learns the synthetic scenes from random weights", TINY, TINY_RECIPE
        ),
    },
    **SHARED,
)

FAMILY = TransformersDetrFamily(RT_DETR)
