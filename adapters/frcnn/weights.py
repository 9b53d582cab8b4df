"""Filling a Faster R-CNN from a file: torchvision's own, its reference script's, or a checkpoint of ours."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from bench.adapters.frcnn.model import FasterRcnn, make
from bench.adapters.loop.detector import misfits
from bench.adapters.weights.checkpoints import load_state
from bench.detector import Plan
from bench.errors import WeightsError

_CLASS_HEAD = "roi_heads.box_predictor."
_COUNTER = "num_batches_tracked"
"""Batch norm keeps it, frozen batch norm does not; nothing depends on it."""


def start_from(trainable: FasterRcnn, path: Path) -> bool:
    """Fill the network from a file of torchvision's or a checkpoint of ours; whether its class head fitted.

    A head for another number of classes is left as it is: new. Raises WeightsError naming the tensors, where
    any other does not fit.
    """
    state = trainable.state_dict()
    offered = _offered(path)
    same_head = _check(state, offered, path)
    if not same_head:
        offered = _without_class_head(offered)
    trainable.load_state_dict({**state, **offered})
    return same_head


def check_fit(plan: Plan) -> None:
    """Raises WeightsError if the plan's weights can't fill its network. Builds it without any memory."""
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
            mend="name the variant that the file was made with, or say weights: none",
        )
    return same_head


def _offered(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, or of a folder that a detector was saved to."""
    state = load_state(path / "model.safetensors" if path.is_dir() else path)
    return {name: tensor for name, tensor in state.items() if not name.endswith(_COUNTER)}


def _without_class_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith(_CLASS_HEAD)}
