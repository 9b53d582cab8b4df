"""Loads a DETR from a checkpoint of transformers."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from bench.adapters.class_map import NEVER, ClassMap, match
from bench.adapters.detr import checkpoint as detr_checkpoint
from bench.adapters.detr.model import Detr, make
from bench.adapters.query.timm_names import RESNET_OF_TIMM
from bench.adapters.weights.checkpoints import load_state, misfits
from bench.detector import Plan
from bench.errors import WeightsError

_CLASS_HEAD = "class_labels_classifier."
_COUNTER = "num_batches_tracked"
"""Batch norm stores it, frozen batch norm does not; nothing depends on it."""


class _Renaming(NamedTuple):
    old: str  # a regular expression
    new: str
    sign: str  # is in the wanted names if the new name is the right one


_BODY = "model.backbone.model."

_RENAMINGS = (
    _Renaming(r"backbone\.conv_encoder\.model\.", "backbone.model.", _BODY),
    _Renaming(r"\.out_proj\.", ".o_proj.", ".o_proj."),
    _Renaming(r"layers\.(\d+)\.fc([12])\.", r"layers.\1.mlp.fc\2.", ".mlp.fc1."),
    *(_Renaming(rf"(backbone\.model)\.{old}", rf"\1.{new}", _BODY) for old, new in RESNET_OF_TIMM),
)


def start_from(detr: Detr, folder: Path, classes: Sequence[str], carried: ClassMap | None = None) -> None:
    """Load into `detr`. Its class head stays random unless the checkpoint has the same classes in the same
    order, and scores them in the same way; with `carried` it takes the rows of the checkpoint's head.

    Raises WeightsError naming every tensor that is missing, too many or of another shape.
    """
    file = detr_checkpoint.tensors_file(folder)
    wanted = detr.state_dict()
    offered = renamed(load_state(file), wanted)
    kept = {name: tensor for name, tensor in wanted.items() if name.endswith(_COUNTER)}
    if carried is not None:
        kept |= _head(offered, carried, file)
    elif detr_checkpoint.classes(folder) != tuple(classes) or detr.sigmoid != _sigmoid(folder):
        kept |= {name: tensor for name, tensor in wanted.items() if name.startswith(_CLASS_HEAD)}
    offered = {name: tensor for name, tensor in offered.items() if not name.endswith(_COUNTER)} | kept
    _check(wanted, offered, file)
    detr.load_state_dict(offered)


def _sigmoid(folder: Path) -> bool:
    return detr_checkpoint.architecture(folder).focal == "sigmoid"


def check_fit(plan: Plan) -> None:
    """Raises WeightsError if the plan's weights can't fill its network below the class head.

    Builds the network on the meta device.
    """
    with torch.device("meta"):
        wanted = _checked_early(make(plan, ("any",)).state_dict())
    file = detr_checkpoint.tensors_file(Path(plan.weights))
    _check(wanted, _checked_early(renamed(load_state(file), wanted)), file)


def _checked_early(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the class head, which depends on the dataset."""
    return {
        name: tensor
        for name, tensor in state.items()
        if not name.endswith(_COUNTER) and not name.startswith(_CLASS_HEAD)
    }


def _check(wanted: Mapping[str, Tensor], offered: Mapping[str, Tensor], file: Path) -> None:
    """Raises WeightsError naming the tensors that are not alike."""
    problems = misfits(wanted, offered)
    if problems:
        raise WeightsError(
            f"does not fit: {'; '.join(problems)}",
            file=file,
            hint="give the tensors that its config.json was saved with, or say weights: none",
        )


def known_classes(plan: Plan, classes: Sequence[str]) -> ClassMap | None:
    """Of a plan that evaluates its weights without training; None where the head is trained.

    Raises RecipeError where none of `classes` is known.
    """
    if plan.recipe.epochs or plan.weights == "none" or plan.options["backbone_weights"] != "none":
        return None
    return match(classes, detr_checkpoint.classes(Path(plan.weights)), weights=plan.weights)


def _head(offered: Mapping[str, Tensor], carried: ClassMap, file: Path) -> dict[str, Tensor]:
    """The class head's tensors; the row of `no object` stays last."""
    found = {}
    for name, missing in ((f"{_CLASS_HEAD}weight", 0.0), (f"{_CLASS_HEAD}bias", NEVER)):
        rows = offered.get(name)
        if rows is None or len(rows) != len(carried.theirs) + 1:
            raise WeightsError(
                f"{name} does not have a row for each of the {len(carried.theirs)} classes of config.json "
                "and one for no object",
                file=file,
                value=None if rows is None else tuple(rows.shape),
            )
        found[name] = torch.cat([carried.rearranged(rows[:-1], missing), rows[-1:]])
    return found


def renamed(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Under the names of the installed transformers; older releases and timm's backbones have others."""
    rules = [rule for rule in _RENAMINGS if any(rule.sign in name for name in wanted)]
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for rule in rules:
            name = re.sub(rule.old, rule.new, name)
        result[name] = tensor
    return result
