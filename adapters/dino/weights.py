"""Filling a DINO from an official checkpoint (.pth) or from one of ours (a folder)."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from bench.adapters.class_map import NEVER, ClassMap, match
from bench.adapters.dino.model import Dino
from bench.adapters.dino.official import translated
from bench.adapters.loop.detector import LoopCheckpointInfo
from bench.adapters.weights.checkpoints import load_state, misfits
from bench.detector import Plan
from bench.errors import WeightsError

CLASS_ROWS = ("class_embed.weight", "class_embed.bias", "enc_class.weight", "enc_class.bias")
LABELS = "label_enc.weight"
_COUNTER = "num_batches_tracked"
"""Batch norm keeps it, frozen batch norm does not; nothing depends on it."""


def tensors(path: Path) -> dict[str, Tensor]:
    """By our names. Raises WeightsError for a file that is no DINO's."""
    if path.is_dir():
        return load_state(path / "model.safetensors")
    # Official files hold the arguments of their training in an argparse.Namespace, which is inert.
    with torch.serialization.safe_globals([argparse.Namespace]):
        found, _ = translated(load_state(path))
    if "class_embed.weight" not in found:
        raise WeightsError("is no checkpoint of DINO: it has no class_embed.0", file=path)
    return found


def class_names(path: Path) -> tuple[str, ...]:
    """Names of the head's rows; empty where nobody says them.

    Official heads have COCO's 91 ids as rows, which torchvision names, with 'N/A' for ids that COCO lacks.
    """
    if path.is_dir():
        return LoopCheckpointInfo.read(path, "dino").head
    if len(tensors(path)["class_embed.bias"]) != 91:
        return ()
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    names: list[str] = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return tuple(names)


def known_classes(plan: Plan, classes: Sequence[str]) -> ClassMap | None:
    """What a plan that evaluates its weights untrained already knows; None where the head is trained.

    Raises RecipeError where none of `classes` is known.
    """
    if plan.recipe.trains or plan.weights == "none":
        return None
    return match(classes, class_names(Path(plan.weights)), weights=plan.weights)


def start_from(dino: Dino, path: Path, classes: Sequence[str], carried: ClassMap | None) -> None:
    """Fill `dino`; class heads and label embedding stay new unless the checkpoint has the same classes.

    With `carried` the heads take the checkpoint's rows in our order. Raises WeightsError naming every tensor
    that is missing, too many or of another shape.
    """
    wanted = dino.state_dict()
    offered = {name: tensor for name, tensor in tensors(path).items() if not name.endswith(_COUNTER)}
    kept = {name: tensor for name, tensor in wanted.items() if name.endswith(_COUNTER)}
    if LABELS not in wanted:
        offered.pop(LABELS, None)
    if carried is not None:
        for name in CLASS_ROWS:
            if name in offered:
                offered[name] = carried.rearranged(offered[name], NEVER if name.endswith("bias") else 0.0)
        kept |= {LABELS: wanted[LABELS]} if LABELS in wanted else {}  # it trains, and nothing else
    elif class_names(path) != tuple(classes):
        kept |= {name: wanted[name] for name in (*CLASS_ROWS, LABELS) if name in wanted}
    offered |= kept
    problems = misfits(wanted, offered)
    if problems:
        raise WeightsError(f"does not fit the model: {'; '.join(problems)}", file=path)
    dino.load_state_dict(offered)
