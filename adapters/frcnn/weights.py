"""Loads a Faster R-CNN from a file of torchvision's or its reference script's, or from our checkpoint."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bench.adapters.class_map import NEVER, ClassMap, match
from bench.adapters.frcnn.model import FasterRcnn, make
from bench.adapters.loop.detector import LoopCheckpointInfo
from bench.adapters.weights.checkpoints import load_state, misfits
from bench.adapters.weights.published import published_as
from bench.detector import Plan
from bench.errors import WeightsError

_CLASS_HEAD = "roi_heads.box_predictor."
_BACKGROUND = 1
"""Rows of torchvision's background, the first class."""

_COUNTER = "num_batches_tracked"
"""Batch norm stores it, frozen batch norm does not; nothing depends on it."""


def start_from(trainable: FasterRcnn, path: Path, carried: ClassMap | None = None) -> bool:
    """Load into the network; whether the class head fitted.

    A head for another number of classes stays random; with `carried` it takes the rows of the file's.
    Raises WeightsError naming all other tensors that do not fit.
    """
    state = trainable.state_dict()
    offered = _offered(path)
    if carried is not None:
        offered |= _head(offered, carried, path)
    same_head = _check(state, offered, path)
    if not same_head:
        offered = _without_class_head(offered)
    trainable.load_state_dict({**state, **offered})
    return same_head


def known_classes(plan: Plan, classes: Sequence[str]) -> ClassMap | None:
    """Of a plan that evaluates its weights without training; None where the head is trained.

    Raises RecipeError where none of `classes` is known.
    """
    if plan.recipe.epochs or plan.weights == "none":
        return None
    return match(classes, head_classes(Path(plan.weights)), weights=plan.weights)


def head_classes(path: Path) -> tuple[str, ...]:
    """Names of the head's rows, without the background; empty where they are unknown.

    torchvision has them for its own files, `detector.json` for a checkpoint of ours.
    """
    if path.is_dir():
        return LoopCheckpointInfo.read(path, "frcnn").head
    entry = published_as(path)
    if entry is None:
        return ()
    from torchvision.models import get_model_weights

    return tuple(get_model_weights(entry.name).DEFAULT.meta["categories"])[_BACKGROUND:]


def _head(offered: Mapping[str, Tensor], carried: ClassMap, path: Path) -> dict[str, Tensor]:
    """The class head's tensors; the background stays first, and each class has four offsets."""
    found = {}
    for name, missing in (("cls_score.weight", 0.0), ("cls_score.bias", NEVER), ("bbox_pred.weight", 0.0)):
        found[_CLASS_HEAD + name] = _rows(offered, _CLASS_HEAD + name, carried, path, missing)
    name = f"{_CLASS_HEAD}bbox_pred.bias"
    return found | {name: _rows(offered, name, carried, path, 0.0)}


def _rows(offered: Mapping[str, Tensor], name: str, carried: ClassMap, path: Path, missing: float) -> Tensor:
    tensor = offered.get(name)
    classes = len(carried.theirs) + _BACKGROUND
    if tensor is None or len(tensor) % classes:
        raise WeightsError(
            f"{name} does not have rows for the background and the {len(carried.theirs)} classes of the file",
            file=path,
            value=None if tensor is None else tuple(tensor.shape),
        )
    rows = tensor.view(classes, -1, *tensor.shape[1:])  # (classes, 1 or 4, ...)
    return torch.cat([rows[:_BACKGROUND], carried.rearranged(rows[_BACKGROUND:], missing)]).flatten(0, 1)


def check_fit(plan: Plan) -> None:
    """Raises WeightsError if the plan's weights can't fill its network. Builds it on the meta device."""
    with torch.device("meta"):
        trainable = make(plan, classes=1)
    path = Path(plan.weights)
    _check(trainable.state_dict(), _offered(path), path)


def _check(state: Mapping[str, Tensor], offered: dict[str, Tensor], path: Path) -> bool:
    """Whether the class head fits; raises WeightsError if anything else does not."""
    wanted = {name: tensor for name, tensor in state.items() if not name.endswith(_COUNTER)}
    same_head = all(
        name in offered and offered[name].shape == tensor.shape
        for name, tensor in wanted.items()
        if name.startswith(_CLASS_HEAD)
    )
    problems = misfits(_without_class_head(wanted), _without_class_head(offered))
    if problems:
        raise WeightsError(
            f"does not fit this variant: {'; '.join(problems)}",
            file=path,
            hint="name the variant that the file was made with, or say weights: none",
        )
    return same_head


def _offered(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, or of a folder that a detector was saved to."""
    state = load_state(path / "model.safetensors" if path.is_dir() else path)
    return {name: tensor for name, tensor in state.items() if not name.endswith(_COUNTER)}


def _without_class_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith(_CLASS_HEAD)}
