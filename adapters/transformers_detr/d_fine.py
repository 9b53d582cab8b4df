"""D-FINE: Peng et al. 2024, Redefine Regression Task of DETRs (arXiv:2410.13842). No torch."""

from typing import Any

from bench.adapters.transformers_detr.architecture import Architecture, Variant
from bench.adapters.transformers_detr.family import TransformersDetrFamily
from bench.adapters.transformers_detr.rt_detr import SHARED, TINY, TINY_RECIPE
from bench.adapters.transformers_detr.rt_detr_v2 import TWICE

HUB = "ustc-community/dfine"

B0: dict[str, Any] = {
    "model_type": "hgnet_v2",
    "stem_channels": (3, 16, 16),
    "stage_in_channels": (16, 64, 256, 512),
    "stage_mid_channels": (16, 32, 64, 128),
    "stage_out_channels": (64, 256, 512, 1024),
    "hidden_sizes": (128, 256, 512, 1024),
    "stage_num_blocks": (1, 1, 2, 1),
    "stage_numb_of_layers": (3, 3, 3, 3),
    "use_learnable_affine_block": True,
    "out_indices": (2, 3, 4),
}
"""HGNetV2's sizes (Peterande/D-FINE, src/nn/backbone/hgnetv2.py)."""
B2: dict[str, Any] = B0 | {
    "stem_channels": (3, 24, 32),
    "stage_in_channels": (32, 96, 384, 768),
    "stage_mid_channels": (32, 64, 128, 256),
    "stage_out_channels": (96, 384, 768, 1536),
    "hidden_sizes": (192, 384, 768, 1536),
    "stage_num_blocks": (1, 1, 3, 1),
    "stage_numb_of_layers": (4, 4, 4, 4),
}
B4: dict[str, Any] = {"model_type": "hgnet_v2", "out_indices": (2, 3, 4)}
B5: dict[str, Any] = B4 | {
    "stem_channels": (3, 32, 64),
    "stage_in_channels": (64, 128, 512, 1024),
    "stage_mid_channels": (64, 128, 256, 512),
    "stage_num_blocks": (1, 2, 5, 2),
}

POINTS = [3, 6, 3]
NANO: dict[str, Any] = {
    "backbone_config": B0 | {"out_indices": (3, 4)},
    "num_feature_levels": 2,
    "feat_strides": (16, 32),
    "encode_proj_layers": (1,),
    "encoder_in_channels": (512, 1024),
    "encoder_hidden_dim": 128,
    "encoder_ffn_dim": 512,
    "hidden_expansion": 0.34,
    "depth_mult": 0.5,
    "d_model": 128,
    "decoder_in_channels": (128, 128),
    "decoder_ffn_dim": 512,
    "decoder_layers": 3,
    "decoder_n_points": [6, 6],
}
SMALL: dict[str, Any] = {
    "backbone_config": B0,
    "encoder_in_channels": (256, 512, 1024),
    "hidden_expansion": 0.5,
    "depth_mult": 0.34,
    "decoder_layers": 3,
    "decoder_n_points": POINTS,
}
MEDIUM: dict[str, Any] = {
    "backbone_config": B2,
    "encoder_in_channels": (384, 768, 1536),
    "depth_mult": 0.67,
    "decoder_layers": 4,
    "decoder_n_points": POINTS,
}
LARGE: dict[str, Any] = {"backbone_config": B4, "decoder_n_points": POINTS}
XLARGE: dict[str, Any] = {
    "backbone_config": B5,
    "encoder_hidden_dim": 384,
    "encoder_ffn_dim": 2048,
    "decoder_in_channels": (384, 384, 384),
    "decoder_n_points": POINTS,
}


def trained(backbone_lr_ratio: float, lr: float = 2.5e-4, weight_decay: float = 1.25e-4) -> dict[str, float]:
    """Rates of the authors' configs (Peterande/D-FINE, configs/dfine)."""
    return {"lr": lr, "weight_decay": weight_decay, "backbone_lr_ratio": backbone_lr_ratio}


D_FINE = Architecture(
    name="d_fine",
    title="D-FINE",
    model_type="d_fine",
    prefix="DFine",
    variants={
        "small": Variant("D-FINE-S, 10 million parameters", SMALL, trained(0.5), f"{HUB}-small-coco"),
        "nano": Variant("D-FINE-N, 4 million parameters", NANO, trained(0.5, 8e-4, 1e-4), f"{HUB}-nano-coco"),
        "medium": Variant("D-FINE-M, 19 million parameters", MEDIUM, trained(0.1), f"{HUB}-medium-coco"),
        "large": Variant("D-FINE-L, 31 million parameters", LARGE, trained(0.05), f"{HUB}-large-coco"),
        "xlarge": Variant("D-FINE-X, 62 million parameters", XLARGE, trained(0.01), f"{HUB}-xlarge-coco"),
        "tiny": Variant(
            "0.6 million parameters; learns the synthetic scenes from random weights",
            TINY | {"depth_mult": 0.34},
            TINY_RECIPE,
        ),
    },
    **{
        **SHARED,
        **TWICE,
        "parts": SHARED["parts"]
        | {
            "decoder": (
                "model.decoder.layers",
                "model.decoder.query_pos_head",
                "model.decoder.lqe_layers",
                "model.decoder.pre_bbox_head",
                "model.decoder.integral",
                "model.denoising_class_embed",
                "model.weight_embedding",
            )
        },
        "keep_initialised": SHARED["keep_initialised"] + r"|gateway|reg_conf\.layers\.1$",
        "zeroed": r"(enc|pre)_bbox_head\.layers\.2$",
        "loss": "varifocal loss",
        "losses": SHARED["losses"] | {"loss_fgl": "fgl", "loss_ddf": "ddf"},
        # transformers multiplies both by their weights, 0.15 and 1.5; fgl grows with the IoU of the boxes.
        "loss_weights": SHARED["loss_weights"] | {"fgl": 1.0, "ddf": 1.0},
    },
)

FAMILY = TransformersDetrFamily(D_FINE)
