"""What a training writes to its folder after every epoch, so that a killed one is resumed exactly.

    WORKDIR/
      state.pt              progress, weights and their average, optimiser, loss scaler; replaced whole after
                            each epoch
      best-EPOCH.safetensors    the chosen weights so far; state.pt says which
      last/                 after the training: a checkpoint of the weights after its last epoch

No state of random generators: every epoch draws its numbers from (seed, epoch).
"""

from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor, nn

from bench import files
from bench.adapters.training import state as training_state
from bench.adapters.training.state import Progress

_VERSION = 3


def write(workdir: Path, terms: dict[str, Any], progress: Progress, parts: dict[str, Any]) -> None:
    """Replace the state, then delete the weights that it no longer names."""
    training_state.write(workdir, _VERSION, terms, progress, parts)
    for old in workdir.glob("best-*.safetensors"):
        if old != best_path(workdir, progress.best_epoch):
            old.unlink()


def read(workdir: Path, terms: dict[str, Any]) -> tuple[Progress, dict[str, Any]] | None:
    """Progress and parts, or None where there is no state. Raises RunError as `training.state.read`."""
    return training_state.read(workdir, _VERSION, terms)


def best_path(workdir: Path, epoch: int) -> Path:
    return workdir / f"best-{epoch}.safetensors"


def write_best(workdir: Path, epoch: int, module: nn.Module) -> None:
    """Store the weights of `epoch`; earlier ones stay until the state names these."""
    with files.replacing(best_path(workdir, epoch)) as fresh:
        save_weights(module, fresh)


def save_weights(module: nn.Module, path: Path) -> None:
    """All of the state_dict as safetensors, tensors that share memory written out one by one."""
    tensors = {
        name: tensor.detach().cpu().clone().contiguous() for name, tensor in module.state_dict().items()
    }
    safetensors.torch.save_file(tensors, path)


def last_dir(workdir: Path) -> Path:
    """A checkpoint like the chosen one, of the weights after the last epoch."""
    return workdir / "last"


def write_last(workdir: Path, module: nn.Module) -> None:
    """Store the weights after the last epoch of a finished training, beside the chosen ones."""
    last_dir(workdir).mkdir(exist_ok=True)
    with files.replacing(last_dir(workdir) / "model.safetensors") as fresh:
        save_weights(module, fresh)


def read_best(workdir: Path, epoch: int) -> dict[str, Tensor]:
    return dict(safetensors.torch.load_file(best_path(workdir, epoch)))
