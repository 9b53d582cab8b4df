"""Names of DINO's official checkpoints (IDEA-Research/DINO, `checkpoint["model"]`), as ours.

The official decoder keeps copies of its heads, its ResNet has torchvision's names, and its self-attention is
torch's, with query, key and value in one tensor.
"""

import re
from collections.abc import Mapping

from torch import Tensor

_RULES = (
    (r"transformer\.(?:decoder\.)?(?:class|bbox)_embed\..*", None),  # copies of the heads
    (r"(class|bbox)_embed\.0\.(.*)", r"\1_embed.\2"),
    (r"(?:class|bbox)_embed\.[1-9].*", None),  # shared by all layers
    (r"transformer\.level_embed", "model.level_embed"),
    (r"transformer\.enc_out_class_embed\.(.*)", r"enc_class.\1"),
    (r"transformer\.enc_out_bbox_embed\.(.*)", r"enc_box.\1"),
    (r"transformer\.decoder\.(norm|ref_point_head)\.(.*)", r"\1.\2"),
    (r"transformer\.(encoder|decoder)\.layers\.(.*)", r"model.\1.layers.\2"),
    (r"transformer\.(.*)", r"\1"),
    (r"input_proj\.(.*)", r"model.input_proj.\1"),
    (r"backbone\.0\.body\.(.*)", r"model.backbone.model.\1"),
)
"""The first that fits decides; None: the tensor is left out."""

_ENCODER = (("norm1", "self_attn_layer_norm"), ("norm2", "final_layer_norm"))
_DECODER = (
    ("norm1", "encoder_attn_layer_norm"),
    ("norm2", "self_attn_layer_norm"),
    ("norm3", "final_layer_norm"),
    ("cross_attn", "encoder_attn"),
    ("self_attn.out_proj", "self_attn.o_proj"),
)
_BOTH = (("linear1", "mlp.fc1"), ("linear2", "mlp.fc2"))

_SHORTCUT = {"0": "conv", "1": "bn"}
_RESNET = (
    (r"\.(conv|bn)1\.(.*)", r".embedder.embedder.\1.\2"),
    (
        r"\.layer(\d)\.(\d+)\.(conv|bn)(\d)\.(.*)",
        lambda m: f".encoder.stages.{int(m[1]) - 1}.layers.{m[2]}.layer.{int(m[4]) - 1}.{m[3]}.{m[5]}",
    ),
    (
        r"\.layer(\d)\.(\d+)\.downsample\.(\d)\.(.*)",
        lambda m: f".encoder.stages.{int(m[1]) - 1}.layers.{m[2]}.shortcut.{_SHORTCUT[m[3]]}.{m[4]}",
    ),
)
_RESNET_PARTS = {"conv": "convolution", "bn": "normalization"}


def renamed(official: str) -> str | None:
    """Our name; None for a tensor that we have no use for. `in_proj` of attention is left to `translated`."""
    for pattern, ours in _RULES:
        if re.fullmatch(pattern, official):
            name = None if ours is None else re.sub(pattern, ours, official)
            break
    else:
        name = official
    if name is None or name.endswith("num_batches_tracked"):
        return None
    if name.startswith("model.backbone.model."):
        return _of_resnet(name)
    for part, pairs in (("encoder", _ENCODER + _BOTH), ("decoder", _DECODER + _BOTH)):
        if name.startswith(f"model.{part}.layers."):
            for theirs, ours in pairs:
                name = name.replace(f".{theirs}.", f".{ours}.")
    return name


def _of_resnet(name: str) -> str:
    head = "model.backbone.model"
    tail = name.removeprefix(head)
    for pattern, ours in _RESNET:
        if re.fullmatch(pattern, tail):
            tail = re.sub(pattern, ours, tail)
            break
    return head + re.sub(r"\.(conv|bn)\.", lambda m: f".{_RESNET_PARTS[m[1]]}.", tail)


def translated(official: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors by our names, and the official names that were left out."""
    found: dict[str, Tensor] = {}
    left_out = []
    for name, tensor in official.items():
        ours = renamed(name)
        if ours is None:
            left_out.append(name)
        elif match := re.fullmatch(r"(.*)\.in_proj_(weight|bias)", ours):
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{match[1]}.{part}_proj.{match[2]}"] = piece
        else:
            found[ours] = tensor
    return found, left_out
