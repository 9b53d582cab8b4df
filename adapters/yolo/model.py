"""ultralytics' detection model for the classes of a dataset, with a plan's weights."""

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ultralytics.nn.tasks import DetectionModel, load_checkpoint, yaml_model_load

from bench.adapters.class_map import NEVER, ClassMap, match
from bench.adapters.weights.checkpoints import misfits
from bench.adapters.weights.pickles import check_pickle
from bench.adapters.yolo.checkpoint import check_yaml
from bench.adapters.yolo.variants import TINY, VARIANTS
from bench.detector import Plan
from bench.errors import ConfigError, WeightsError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """A model, and how many of its tensors come from a file."""

    model: DetectionModel
    tensors: int
    carried_over: int
    class_map: ClassMap | None = None
    """Of weights that are evaluated without training."""


def build(plan: Plan, classes: Sequence[str], *, seed: int) -> Built:
    """Random weights from `seed`, then what the file has.

    The class head is new where the classes differ; ultralytics carries over the rows of classes whose names
    it knows. Raises WeightsError where a tensor below the head doesn't fit.
    """
    source = None if plan.weights == "none" else read(Path(plan.weights))
    architecture = _architecture(plan.variant)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DetectionModel(architecture, nc=len(classes), ch=3, verbose=False)
    model.names = dict(enumerate(classes))
    if source is None:
        return Built(model, len(model.state_dict()), 0)
    offered = source.state_dict()
    model.load(source)
    wanted = model.state_dict()
    fitting = [name for name in wanted if name in offered and offered[name].shape == wanted[name].shape]
    head = f"model.{len(model.model) - 1}."
    if any(name not in set(fitting) for name in _below(head, wanted)):
        problems = misfits(*(_below(head, state) for state in (wanted, offered)))
        raise WeightsError(
            f"does not fit variant {plan.variant}: {'; '.join(problems)}",
            file=plan.weights,
            hint="leave variant out to take the architecture that the file has",
        )
    _log.info("%d of %d tensors from %s", len(fitting), len(wanted), plan.weights)
    if plan.recipe.epochs:
        return Built(model, len(wanted), len(fitting))
    carried = match(classes, [source.names[index] for index in sorted(source.names)], weights=plan.weights)
    _carry(carried, source, model)
    return Built(model, len(wanted), len(wanted), carried)


def _carry(carried: ClassMap, source: DetectionModel, model: DetectionModel) -> None:
    """The class rows of each scale of the head; every class has a sigmoid of its own, so ours are enough.

    The layers before them are those of `source`: `load` has widened ours to theirs.
    """
    for branch in ("cv3", "one2one_cv3"):
        theirs, ours = (getattr(found.model[-1], branch, None) or () for found in (source, model))
        for old, new in zip(theirs, ours, strict=True):
            layers = old.state_dict()
            last = str(len(old) - 1)
            layers[f"{last}.weight"] = carried.known(layers[f"{last}.weight"], 0.0)
            layers[f"{last}.bias"] = carried.known(layers[f"{last}.bias"], NEVER)
            new.load_state_dict(layers)


def _below(head: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """All but the head, whose place differs between architectures."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(head)}


def read(path: Path) -> DetectionModel:
    """The model of a .pt file, float32. Raises WeightsError for anything but a YOLO detector."""
    check_pickle(path, read_by_torch=True)
    try:
        model, _ = load_checkpoint(str(path))
    except Exception as error:  # any exception here is the fault of the file
        raise WeightsError(
            f"can't be read by ultralytics: {type(error).__name__}: {error}", file=path
        ) from error
    if not isinstance(model, DetectionModel) or getattr(model, "task", "detect") != "detect":
        raise WeightsError("is no detector", file=path, value=getattr(model, "task", type(model).__name__))
    return model


def checkpoint(model: DetectionModel) -> dict[str, Any]:
    """What ultralytics' YOLO(path) reads: the module in half precision, and what it was trained with."""
    import ultralytics
    from ultralytics.utils import DEFAULT_CFG_KEYS

    copy = deepcopy(model).cpu().half()
    copy.criterion = None
    for parameter in copy.parameters():
        parameter.requires_grad = False
    args = getattr(model, "args", {})
    settings = args if isinstance(args, Mapping) else vars(args)
    copy.args = {key: value for key, value in settings.items() if key in DEFAULT_CFG_KEYS}
    return {
        "epoch": -1,
        "model": copy,
        "ema": None,
        "optimizer": None,
        "train_args": copy.args,
        "version": ultralytics.__version__,
        "license": "AGPL-3.0 (https://ultralytics.com/license)",
    }


def _architecture(variant: str) -> dict[str, Any]:
    """The model yaml of a variant, as the dictionary that it is."""
    if variant == "tiny":
        return deepcopy(dict(TINY))
    if variant in VARIANTS:
        return dict(yaml_model_load(f"yolov8{variant}.yaml"))
    path = Path(variant)
    if path.suffix == ".pt":
        content = deepcopy(dict(read(path).yaml))
    else:
        try:
            content = dict(yaml_model_load(path))
        except Exception as error:
            raise ConfigError(f"is no model yaml: {error}", file=path) from None
    check_yaml(content, path)  # again: two readers may read a file differently
    return content
