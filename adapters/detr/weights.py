"""Filling a DETR from a checkpoint of transformers."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from bench.adapters.detr import checkpoint as detr_checkpoint
from bench.adapters.loop.detector import misfits
from bench.adapters.loop.trainable import Trainable
from bench.adapters.weights.checkpoints import load_state
from bench.errors import WeightsError

_CLASS_HEAD = "class_labels_classifier."
_COUNTER = "num_batches_tracked"
"""Batch norm keeps it, frozen batch norm does not; nothing depends on it."""


class _Renaming(NamedTuple):
    old: str  # a regular expression
    new: str
    sign: str  # stands in the wanted names if the new name is the right one


_BODY = "model.backbone.model."

_RENAMINGS = (
    _Renaming(r"backbone\.conv_encoder\.model\.", "backbone.model.", _BODY),
    _Renaming(r"\.out_proj\.", ".o_proj.", ".o_proj."),
    _Renaming(r"layers\.(\d+)\.fc([12])\.", r"layers.\1.mlp.fc\2.", ".mlp.fc1."),
    # timm's ResNet -> transformers' ResNet
    _Renaming(r"(backbone\.model)\.conv1\.", r"\1.embedder.embedder.convolution.", _BODY),
    _Renaming(r"(backbone\.model)\.bn1\.", r"\1.embedder.embedder.normalization.", _BODY),
    *(
        _Renaming(
            rf"(backbone\.model)\.layer{stage + 1}\.(\d+)\.{theirs}{layer + 1}\.",
            rf"\1.encoder.stages.{stage}.layers.\2.layer.{layer}.{ours}.",
            _BODY,
        )
        for stage in range(4)
        for layer in range(3)
        for theirs, ours in (("conv", "convolution"), ("bn", "normalization"))
    ),
    *(
        _Renaming(
            rf"(backbone\.model)\.layer{stage + 1}\.(\d+)\.downsample\.{place}\.",
            rf"\1.encoder.stages.{stage}.layers.\2.shortcut.{ours}.",
            _BODY,
        )
        for stage in range(4)
        for place, ours in ((0, "convolution"), (1, "normalization"))
    ),
)


def start_from(detr: Trainable, folder: Path, classes: Sequence[str]) -> None:
    """Fill `detr`; its class head stays new unless the checkpoint knows the same classes in the same order.

    Raises WeightsError naming every tensor that is missing, too many or of another shape.
    """
    file = detr_checkpoint.tensors_file(folder)
    wanted = detr.state_dict()
    offered = renamed(load_state(file), wanted)
    kept = {name: tensor for name, tensor in wanted.items() if name.endswith(_COUNTER)}
    if detr_checkpoint.classes(folder) != tuple(classes):
        kept |= {name: tensor for name, tensor in wanted.items() if name.startswith(_CLASS_HEAD)}
    offered = {name: tensor for name, tensor in offered.items() if not name.endswith(_COUNTER)} | kept
    problems = misfits(wanted, offered)
    if problems:
        raise WeightsError(f"does not fit: {'; '.join(problems)}", file=file)
    detr.load_state_dict(offered)


def renamed(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Under the names of the installed transformers: older releases and timm's backbones had others."""
    rules = [rule for rule in _RENAMINGS if any(rule.sign in name for name in wanted)]
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for rule in rules:
            name = re.sub(rule.old, rule.new, name)
        result[name] = tensor
    return result
