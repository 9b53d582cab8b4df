"""The file state.pt, from which a killed training goes on: our loop's or ultralytics'. Imports torch."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bench import files
from bench.config_tree import differences
from bench.errors import RunError

NAME = "state.pt"


@dataclass
class Progress:
    """How far a training is. `train_s` leaves out validation, which `duration_s` holds too.

    `last_epoch` is its EpochRecord as plain JSON values. It is `stopped` when the harness said so.
    """

    epoch: int = 0
    optimizer_steps: int = 0
    images_seen: int = 0
    duration_s: float = 0.0
    train_s: float = 0.0
    best_epoch: int = 0
    best_step: int | None = None
    best_ap: float = -1.0
    stopped: bool = False
    last_epoch: dict[str, Any] | None = None


def write(
    workdir: Path, version: int, terms: dict[str, Any], progress: Progress, parts: dict[str, Any]
) -> None:
    """Replace the state. `terms` (recipe, seed ...) must be the same for whoever takes it up."""
    content = {"version": version, "terms": terms, "progress": asdict(progress), "parts": parts}
    with files.replacing(workdir / NAME) as fresh:
        torch.save(content, fresh)


def read(workdir: Path, version: int, terms: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The progress' words and the parts, or None where no training stands.

    Raises RunError for one that was begun by another version or under other terms.
    """
    path = workdir / NAME
    if not path.is_file():
        return None
    content = torch.load(path, map_location="cpu", weights_only=True)
    if content.get("version") != version:
        raise RunError("holds a training of another version of bench", file=path, hint="take the folder away")
    if changes := differences(content["terms"], terms):
        raise RunError(
            f"holds a training that was begun under other terms: {'; '.join(changes)}",
            file=path,
            hint="take the folder away, or ask for the same training",
        )
    return content["progress"], content["parts"]
