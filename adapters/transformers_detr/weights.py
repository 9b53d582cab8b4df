"""Fills a detector from a checkpoint folder of transformers: the hub's, or one that we saved."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers

from bench.adapters.class_map import NEVER, ClassMap
from bench.adapters.query.quiet import silenced
from bench.adapters.query.timm_names import RESNET_OF_TIMM
from bench.adapters.transformers_detr import checkpoint
from bench.adapters.transformers_detr.model import TransformersDetr
from bench.adapters.weights.checkpoints import load_state, misfits
from bench.errors import WeightsError

_COUNTER = "num_batches_tracked"
"""Batch norm stores it, frozen batch norm does not; nothing depends on it."""


def start_from(
    detector: TransformersDetr, folder: Path, classes: Sequence[str], carried: ClassMap | None
) -> None:
    """Fill `detector`. Its class heads stay random unless the checkpoint has the same classes in the same
    order; with `carried` they take the rows of the checkpoint's heads.

    Raises WeightsError naming every tensor that is missing, too many or of another shape.
    """
    architecture, wanted = detector.architecture, detector.state_dict()
    offered = _tensors(detector, folder)
    heads = [name for name in wanted if re.match(rf"({architecture.class_heads})\.", name)]
    labels = [name for name in wanted if name.rpartition(".")[0] == architecture.label_embedding]
    new = [name for name in wanted if name.endswith(_COUNTER)]
    if carried is not None:
        for name in heads:
            offered[name] = carried.rearranged(offered[name], NEVER if name.endswith("bias") else 0.0)
        new += labels
    elif checkpoint.classes(folder) != tuple(classes):
        new += heads + labels
    offered |= {name: wanted[name] for name in new}
    problems = misfits(wanted, offered)
    if problems:
        raise WeightsError(f"does not fit the model: {'; '.join(problems)}", file=folder)
    detector.load_state_dict(offered)


def _tensors(detector: TransformersDetr, folder: Path) -> dict[str, Any]:
    """By the names of the installed transformers, which knows those of its earlier releases."""
    kind = getattr(transformers, f"{detector.architecture.prefix}ForObjectDetection")
    file = folder / "model.safetensors"
    stored = load_state(file)
    if checkpoint.has_timm_backbone(folder):
        stored = {_of_transformers(name): tensor for name, tensor in stored.items()}
    settings = checkpoint.config(folder, detector.architecture)
    labels = dict(enumerate(checkpoint.classes(folder)))
    with silenced():
        config = kind.config_class(**settings, **({"id2label": labels} if labels else {}))
        config.tie_word_embeddings = False  # it would overwrite the heads of all layers with the first's
        theirs, about = kind.from_pretrained(None, config=config, state_dict=stored, output_loading_info=True)
    tensors = {name: tensor for name, tensor in theirs.state_dict().items() if not name.endswith(_COUNTER)}
    missing = set(about["missing_keys"])
    for name in sorted(missing):  # stored once where heads are shared
        shared = [other for other in _same(detector, name) if other in tensors and other not in missing]
        if shared:
            tensors[name] = tensors[shared[0]]
            about["missing_keys"].discard(name)
    lost = {str(name) for kind in ("missing", "unexpected", "mismatched") for name in about[f"{kind}_keys"]}
    lost = {name for name in lost if not name.endswith(_COUNTER)}
    if lost:
        raise WeightsError(f"does not fit its own config.json: {', '.join(sorted(lost)[:6])}", file=file)
    return tensors


def _of_transformers(name: str) -> str:
    """The name of a tensor of timm's ResNet in transformers' ResNet; other names stay."""
    for theirs, ours in RESNET_OF_TIMM:
        name = re.sub(rf"(backbone\.(?:conv_encoder\.)?model)\.(?:_backbone\.)?{theirs}", rf"\1.{ours}", name)
    return name


def _same(detector: TransformersDetr, name: str) -> list[str]:
    """All names of the parameter that is called `name`, among others."""
    known = dict(detector.detector.named_parameters(remove_duplicate=False))
    return [other for other, parameter in known.items() if parameter is known.get(name)]
