"""What a training leaves in its folder after every epoch, so that a killed one goes on exactly.

    WORKDIR/
      state.pt              progress, weights and their average, optimiser, loss scaler; replaced whole after
                            each epoch
      best-EPOCH.safetensors    the chosen weights so far; state.pt says which
      last/                 after the training: a checkpoint of the weights after its last epoch

No state of random generators: every epoch draws its numbers from (seed, epoch).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor, nn

from bench import files
from bench.adapters import training_state
from bench.adapters.loop.budget import Spent
from bench.records import EpochRecord, TrainingRecord

_VERSION = 2

CHOSEN_BY = "AP on val, the harness's judge"


@dataclass
class Progress(training_state.Progress):
    """How far a training of the loop is."""

    @property
    def spent(self) -> Spent:
        return Spent(self.epoch, self.optimizer_steps, self.images_seen, self.train_s)

    def advance(self, spent: Spent, record: EpochRecord) -> None:
        """One epoch on."""
        self.epoch = spent.epochs
        self.optimizer_steps = spent.steps
        self.images_seen = spent.images
        self.train_s = spent.seconds
        self.duration_s += record.duration_s
        self.last_epoch = record.model_dump(mode="json")

    def record(self, *, early: bool) -> TrainingRecord:
        """What a training that ends here used up."""
        chosen_by = CHOSEN_BY if self.best_epoch else "the last epoch: none was validated"
        return TrainingRecord(
            epochs=self.epoch,
            best_epoch=self.best_epoch or self.epoch,
            best_step=self.best_step,
            optimizer_steps=self.optimizer_steps,
            images_seen=self.images_seen,
            duration_s=self.duration_s,
            training_s=self.train_s,
            stopped_early=early,
            chosen_by=chosen_by if self.epoch else "nothing was trained: the weights as they came",
        )


def write(workdir: Path, terms: dict[str, Any], progress: Progress, parts: dict[str, Any]) -> None:
    """Replace the state. `terms` (recipe, seed ...) must be the same for whoever takes it up."""
    training_state.write(workdir, _VERSION, terms, progress, parts)
    for old in workdir.glob("best-*.safetensors"):
        if old != best_path(workdir, progress.best_epoch):
            old.unlink()


def read(workdir: Path, terms: dict[str, Any]) -> tuple[Progress, dict[str, Any]] | None:
    """Progress and parts, or None where no training stands.

    Raises RunError for one that was begun by another version or under other terms.
    """
    found = training_state.read(workdir, _VERSION, terms)
    return None if found is None else (Progress(**found[0]), found[1])


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


def last_dir(workdir: Path) -> Path:
    """A checkpoint like the chosen one, of the weights after the last epoch."""
    return workdir / "last"


def write_last(workdir: Path, module: nn.Module) -> None:
    """Keep what a finished training has come to, beside what was chosen of it."""
    last_dir(workdir).mkdir(exist_ok=True)
    with files.replacing(last_dir(workdir) / "model.safetensors") as fresh:
        save_weights(module, fresh)


def read_best(workdir: Path, epoch: int) -> dict[str, Tensor]:
    return dict(safetensors.torch.load_file(best_path(workdir, epoch)))
