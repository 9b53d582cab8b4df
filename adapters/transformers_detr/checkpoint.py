"""The config.json of a checkpoint folder of transformers. No torch."""

import json
from pathlib import Path
from typing import Any

from bench.adapters.transformers_detr.architecture import Architecture
from bench.errors import WeightsError

NOT_OF_THE_NETWORK = frozenset(
    {"architectures", "id2label", "label2id", "num_labels", "transformers_version", "dtype", "torch_dtype"}
)


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
    return {name: value for name, value in content.items() if name not in NOT_OF_THE_NETWORK}


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
