"""What a training leaves in its folder after every epoch, so that a killed one goes on exactly.

    WORKDIR/
      state.pt              progress, weights, optimiser, loss scaler; replaced whole after each epoch
      best-EPOCH.safetensors    the chosen weights so far; state.pt says which

No state of random generators: every epoch draws its numbers from (seed, epoch).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from bench import files
from bench.errors import RunError

_VERSION = 1


@dataclass
class Progress:
    """How far a training is. `last_epoch` is its EpochRecord as plain JSON values."""

    epoch: int = 0
    optimizer_steps: int = 0
    pictures_seen: int = 0
    duration_s: float = 0.0
    best_epoch: int = 0
    best_ap: float = -1.0
    stopped: bool = False
    last_epoch: dict[str, Any] | None = None


def write(workdir: Path, terms: dict[str, Any], progress: Progress, parts: dict[str, Any]) -> None:
    """Replace the state. `terms` (recipe, seed ...) must be the same for whoever takes it up."""
    content = {"version": _VERSION, "terms": terms, "progress": asdict(progress), "parts": parts}
    with files.replacing(workdir / "state.pt") as fresh:
        torch.save(content, fresh)
    for old in workdir.glob("best-*.safetensors"):
        if old != best_path(workdir, progress.best_epoch):
            old.unlink()


def read(workdir: Path, terms: dict[str, Any]) -> tuple[Progress, dict[str, Any]] | None:
    """Progress and parts, or None where no training stands.

    Raises RunError for one that was begun under other terms.
    """
    path = workdir / "state.pt"
    if not path.is_file():
        return None
    content = torch.load(path, map_location="cpu", weights_only=True)
    if content.get("version") != _VERSION or content["terms"] != terms:
        raise RunError(
            "holds a training that was begun under other terms (recipe, seed or data)",
            file=path,
            mend="take the folder away, or ask for the same training",
        )
    return Progress(**content["progress"]), content["parts"]


def best_path(workdir: Path, epoch: int) -> Path:
    return workdir / f"best-{epoch}.safetensors"


def write_best(workdir: Path, epoch: int, module: nn.Module) -> None:
    """Keep the weights of `epoch`; earlier ones stay until the state names these."""
    with files.replacing(best_path(workdir, epoch)) as fresh:
        save_weights(module, fresh)


def save_weights(module: nn.Module, path: Path) -> None:
    """All of the state_dict as safetensors, tensors that share memory written out one by one."""
    tensors = {
        name: tensor.detach().cpu().clone().contiguous() for name, tensor in module.state_dict().items()
    }
    safetensors.torch.save_file(tensors, path)


def read_best(workdir: Path, epoch: int) -> dict[str, Tensor]:
    return dict(safetensors.torch.load_file(best_path(workdir, epoch)))
