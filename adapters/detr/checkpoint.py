"""The config.json of a DETR checkpoint of transformers, a folder with tensors beside it. No torch."""

import json
import re
from pathlib import Path
from typing import Any

from bench.adapters.detr.options import PAPER, Backbone, DetrOptions, resnet
from bench.errors import WeightsError

FOCAL = "bench_focal"
"""Our own key in config.json, of a head with one sigmoid per class."""

TENSOR_FILES = ("model.safetensors", "pytorch_model.bin")
"""The second is a torch checkpoint: it is read as tensors only, or refused."""


def tensors_file(folder: Path) -> Path:
    """The file with the tensors. Raises WeightsError where there is none."""
    for name in TENSOR_FILES:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(
        "is no checkpoint that can be read", file=folder, hint=f"it needs config.json and {TENSOR_FILES[0]}"
    )


def architecture(folder: Path) -> DetrOptions:
    """The options that the checkpoint was trained with, except `norm`. Raises WeightsError."""
    tensors_file(folder)
    content = _config(folder)
    for setting in ("attention_heads", "ffn_dim"):
        if content.get(f"encoder_{setting}") != content.get(f"decoder_{setting}"):
            raise _other(folder, f"decoder_{setting}", content[f"decoder_{setting}"], "the encoder's")
    focal = content.get(FOCAL)
    if focal not in (None, "sigmoid"):
        raise _other(folder, FOCAL, focal, "'sigmoid', or left out")
    for setting, usual in (("position_embedding_type", "sine"), ("dilation", False)):
        if content.get(setting, usual) != usual:
            raise _other(folder, setting, content[setting], repr(usual))
    return DetrOptions(
        backbone=_backbone(folder, content),
        width=content.get("d_model", PAPER.width),
        heads=content.get("encoder_attention_heads", PAPER.heads),
        encoder_layers=content.get("encoder_layers", PAPER.encoder_layers),
        decoder_layers=content.get("decoder_layers", PAPER.decoder_layers),
        feedforward=content.get("encoder_ffn_dim", PAPER.feedforward),
        queries=content.get("num_queries", PAPER.queries),
        dropout=content.get("dropout", PAPER.dropout),
        # With sigmoids it is another weight, which says nothing about a softmax.
        no_object_weight=content.get("eos_coefficient", PAPER.no_object_weight)
        if focal is None
        else PAPER.no_object_weight,
        focal=focal,
    )


def classes(folder: Path) -> tuple[str, ...]:
    """Names in the order of the class head; empty where the checkpoint has none."""
    names = _config(folder).get("id2label") or {}
    return tuple(str(names[index]) for index in sorted(names, key=int))


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError("no such file", file=file, hint="a checkpoint needs its config.json") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"can't be read: {error}", file=file) from None
    kind = content.get("model_type") if isinstance(content, dict) else None
    if kind != "detr":
        raise WeightsError("is no DETR", file=file, record="model_type", value=kind, hint="it must be 'detr'")
    return dict(content)


def _backbone(folder: Path, content: dict[str, Any]) -> Backbone:
    """From transformers' own ResNet, or from timm's, which has the same layers under other names."""
    inner = content.get("backbone_config") or {}
    if inner.get("model_type") == "resnet":
        depths = tuple(inner.get("depths", (3, 4, 6, 3)))
        last = f"stage{len(depths)}"
        if (inner.get("out_features") or [last])[-1] != last:
            raise _other(folder, "backbone_config.out_features", inner["out_features"], f"[{last!r}]")
        for setting in ("downsample_in_first_stage", "downsample_in_bottleneck"):
            if inner.get(setting):
                raise _other(folder, f"backbone_config.{setting}", True, "False")
        return Backbone(
            layer=inner.get("layer_type", "bottleneck"),
            stem=inner.get("embedding_size", 64),
            depths=depths,
            widths=tuple(inner.get("hidden_sizes", (256, 512, 1024, 2048))),
        )
    name = inner.get("backbone") or content.get("backbone") or "resnet50"
    found = re.fullmatch(r"resnet(18|34|50|101|152)", str(name))
    if inner.get("output_stride"):
        raise _other(folder, "backbone_config.output_stride", inner["output_stride"], "left out: no dilation")
    if not found:
        raise _other(folder, "backbone", name, "resnet18, 34, 50, 101 or 152")
    return resnet(int(found[1]))


def _other(folder: Path, setting: str, value: object, wanted: str) -> WeightsError:
    return WeightsError(
        "is a DETR of a kind that is not supported here",
        file=folder / "config.json",
        record=setting,
        value=value,
        hint=f"it must be {wanted}",
    )
