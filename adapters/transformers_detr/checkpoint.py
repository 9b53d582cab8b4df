"""The config.json of a checkpoint folder of transformers. No torch."""

import json
from pathlib import Path
from typing import Any

from bench.adapters.transformers_detr.architecture import Architecture
from bench.errors import WeightsError

NOT_OF_THE_NETWORK = frozenset(
    {"architectures", "id2label", "label2id", "num_labels", "transformers_version", "dtype", "torch_dtype"}
)

OF_TIMM = frozenset({"backbone", "use_timm_backbone", "use_pretrained_backbone", "backbone_kwargs"})
"""Settings of a backbone of timm."""


def config(folder: Path, architecture: Architecture) -> dict[str, Any]:
    """The settings of its network. Raises WeightsError for a folder that is no checkpoint of this kind."""
    content = _read(folder)
    if content.get("model_type") != architecture.model_type:
        raise WeightsError(
            f"is no {architecture.title}",
            file=folder / "config.json",
            record="model_type",
            value=content.get("model_type"),
            hint=f"it must be '{architecture.model_type}'",
        )
    found = {name: value for name, value in content.items() if name not in NOT_OF_THE_NETWORK}
    if has_timm_backbone(folder):
        found = {name: value for name, value in found.items() if name not in OF_TIMM}
        found["backbone_config"] = _resnet_50(folder, content, architecture)
    return found


def has_timm_backbone(folder: Path) -> bool:
    """Whether its backbone is timm's, which has the layers of transformers' ResNet under other names."""
    content = _read(folder)
    inner = content.get("backbone_config") or {}
    return inner.get("model_type") == "timm_backbone" or bool(content.get("use_timm_backbone"))


def _resnet_50(folder: Path, content: dict[str, Any], architecture: Architecture) -> dict[str, Any]:
    """transformers' config of it. Raises WeightsError for another one."""
    inner = content.get("backbone_config") or {}
    name = inner.get("backbone") or content.get("backbone") or "resnet50"
    if name != "resnet50" or content.get("dilation"):
        raise WeightsError(
            f"is a {architecture.title} of a kind that is not supported here",
            file=folder / "config.json",
            record="dilation" if content.get("dilation") else "backbone",
            value=content.get("dilation") or name,
            hint="it must be a resnet50 without dilation",
        )
    first = next(iter(architecture.variants.values()))
    resnet: dict[str, Any] = dict(first.config["backbone_config"])
    return resnet


def classes(folder: Path) -> tuple[str, ...]:
    """Names in the order of the class head; empty where the checkpoint has none."""
    names = _read(folder).get("id2label") or {}
    return tuple(str(names[index]) for index in sorted(names, key=int))


def _read(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise WeightsError(
            "no such file", file=file, hint="weights are a folder with config.json and model.safetensors"
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"can't be read: {error}", file=file) from None
    if not isinstance(content, dict):
        raise WeightsError("is no config of transformers", file=file)
    return content
