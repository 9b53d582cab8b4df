"""Loads the backbone alone, from a ResNet that was trained on ImageNet; the transformer stays random.

The file may be a state_dict of torchvision's or timm's, a folder of transformers' ResNet or of timm's, or a
DETR, of which only the backbone is taken.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from bench.adapters.detr import checkpoint as detr_checkpoint
from bench.adapters.detr.model import Detr
from bench.adapters.detr.options import DetrOptions
from bench.adapters.detr.weights import renamed
from bench.adapters.weights.checkpoints import load_state, misfits
from bench.errors import WeightsError

_BODY = "model.backbone.model."
_COUNTER = "num_batches_tracked"
"""Batch norm stores it, frozen batch norm does not; nothing depends on it."""

_TORCHVISION = ("conv1.", "bn1.", "layer")  # timm's names too
_TRANSFORMERS = ("embedder.", "encoder.stages.")
_STRIDES = ("downsample_in_first_stage", "downsample_in_bottleneck")


def file_of(path: Path) -> Path:
    """The file with the tensors. Raises WeightsError where a folder has none."""
    return detr_checkpoint.tensors_file(path) if path.is_dir() else path


def fill(detr: Detr, path: Path) -> None:
    """Raises WeightsError naming every backbone tensor that is missing, too many or of another shape."""
    state = detr.state_dict()
    detr.load_state_dict({**state, **_fitting(state, path)})


def check(options: DetrOptions, path: Path) -> None:
    """As `fill`, on the meta device: no memory is allocated."""
    with torch.device("meta"):
        state = Detr(options, ("any",)).state_dict()
    _fitting(state, path)


def _fitting(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    _check_strides(path)
    file = file_of(path)
    wanted = {name: tensor for name, tensor in state.items() if _is_body(name)}
    named = renamed({_ours(name): tensor for name, tensor in load_state(file).items()}, state)
    offered = {name: tensor for name, tensor in named.items() if _is_body(name)}
    problems = misfits(wanted, offered)
    if problems:
        raise WeightsError(
            f"is no backbone of this variant: {'; '.join(problems)}",
            file=file,
            hint="name the variant that has this backbone, or another file",
        )
    return offered


def _is_body(name: str) -> bool:
    return name.startswith(_BODY) and not name.endswith(_COUNTER)


def _ours(name: str) -> str:
    """A tensor's name in a ResNet -> its name in a DETR."""
    bare = name.removeprefix("resnet.")
    return _BODY + bare if bare.startswith((*_TORCHVISION, *_TRANSFORMERS)) else name


def _check_strides(path: Path) -> None:
    """The strides of transformers' ResNet are in its config.json only."""
    config = path / "config.json"
    if not config.is_file():
        return
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"can't be read: {error}", file=config) from None
    for setting in _STRIDES:
        if isinstance(content, dict) and content.get(setting):
            raise WeightsError(
                "is a ResNet of a kind that is not supported here",
                file=config,
                record=setting,
                value=content[setting],
                hint="it must be False",
            )
