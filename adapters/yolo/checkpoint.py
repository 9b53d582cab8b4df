"""The network in ultralytics' files, checked before ultralytics builds it. Light.

Its `parse_model` calls what a model yaml names, and a .pt has such a yaml, too. So only names that look like
layers and activations are allowed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bench.adapters.weights.pickles import StandIn, read_pickle
from bench.errors import BenchError, ConfigError, WeightsError

DETECTOR = "ultralytics.nn.tasks.DetectionModel"

ACTIVATIONS = (
    *("CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU"),
    *("LogSigmoid", "Mish", "PReLU", "ReLU", "ReLU6", "RReLU", "SELU", "SiLU", "Sigmoid", "Softplus"),
    *("Softshrink", "Softsign", "Tanh", "Tanhshrink"),
)
"""Those of torch.nn that work element by element."""

_ARGUMENT = r"(?:[a-z_]+ ?= ?)?(?:-?[0-9.]+(?:e-?[0-9]+)?|True|False)"
_ACTIVATION = re.compile(
    rf"(?:torch\.)?nn\.(?:{'|'.join(ACTIVATIONS)})\((?:{_ARGUMENT}(?:, ?{_ARGUMENT})*)?\)"
)
_LAYER = re.compile(r"(?:nn\.|torchvision\.ops\.)?[A-Z][A-Za-z0-9]*|v10Detect")
"""The names of classes; the functions of the same modules have other names."""


def check_checkpoint(path: Path) -> None:
    """Raises WeightsError for a .pt that is no YOLO detector, or that could run code; runs nothing of it."""
    check_yaml(_model(path).get("yaml"), path)


def class_names(path: Path) -> tuple[str, ...]:
    """Of a .pt's head, in its order; empty where it has none. Raises WeightsError."""
    names = _model(path).get("names")
    if isinstance(names, Mapping):
        return tuple(str(names[index]) for index in sorted(names))
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()


def _model(path: Path) -> Mapping[str, Any]:
    """The attributes of the network in a .pt."""
    content = read_pickle(path)
    found = content.get("ema") or content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(found, StandIn) or found.name != DETECTOR:
        raise WeightsError(
            "holds no YOLO detector that ultralytics has saved",
            file=path,
            value=found.name.rpartition(".")[2] if isinstance(found, StandIn) else None,
            hint="give the best.pt or last.pt of a training; a state_dict alone says too little",
        )
    return found.state if isinstance(found.state, Mapping) else {}


def check_file(path: Path) -> None:
    """Raises ConfigError for a file that is no model yaml."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"is no model yaml: {str(error).splitlines()[0]}", file=path) from None
    check_yaml(content, path)


def check_yaml(content: Any, path: Path) -> None:
    """Raises an error for a network that ultralytics can't build, or should not: ConfigError for a yaml file,
    WeightsError where `broadcast` is that of a checkpoint.
    """
    kind = WeightsError if path.suffix == ".pt" else ConfigError
    if not isinstance(content, Mapping):
        raise kind("is no model yaml: it has no backbone and no head", file=path)
    for part in ("backbone", "head"):
        _check_layers(content.get(part), part, path, kind)
    activation = content.get("activation")
    if activation is not None and not (isinstance(activation, str) and _ACTIVATION.fullmatch(activation)):
        raise kind(
            "is no activation of torch.nn",
            file=path,
            record="activation",
            value=activation,
            hint=f"leave it out, or write nn.NAME(), where NAME is one of {', '.join(ACTIVATIONS)}",
        )


def _check_layers(layers: Any, part: str, path: Path, kind: type[BenchError]) -> None:
    if not isinstance(layers, list | tuple) or not layers:
        raise kind("a model has a list of layers here", file=path, record=part, value=layers)
    for number, layer in enumerate(layers, start=1):
        if not _is_layer(layer):
            raise kind(
                "is no layer",
                file=path,
                record=f"{part}, layer {number}",
                value=layer,
                hint="write [from, repeats, module, [arguments]], as in [-1, 1, Conv, [64, 3, 2]]",
            )


def _is_layer(layer: Any) -> bool:
    if not isinstance(layer, list | tuple) or len(layer) != 4:
        return False
    _, _, module, arguments = layer
    return isinstance(module, str) and bool(_LAYER.fullmatch(module)) and isinstance(arguments, list | tuple)
