"""What a YOLO training writes to its folder after every epoch, so that a killed one is resumed exactly.

    WORKDIR/
      state.pt          everything below; replaced whole after each epoch
      best-EPOCH.pt     ultralytics' checkpoint of the best epoch so far; state.pt says which
      last.pt           that of the last epoch, once the training is done: YOLO("WORKDIR/last.pt") loads it
      ultralytics/      what the trainer itself writes: args.yaml, results.csv, weights/

ultralytics resumes from the half-precision average of the weights, with new random numbers: that is another
training. Here the weights, the optimiser, the average, the random generators and mosaic's buffer of images
are put back as they were. The exception: worker processes that load images draw their own random numbers,
so with `workers` a resumed training sees other augmentations.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import files
from bench.adapters.training import state as training_state
from bench.adapters.training.state import Progress

_VERSION = 5


def write(workdir: Path, terms: dict[str, Any], progress: Progress, parts: dict[str, Any]) -> None:
    """Replace the state, then delete the checkpoints that it no longer names."""
    training_state.write(workdir, _VERSION, terms, progress, parts)
    for old in workdir.glob("best-*.pt"):
        if old != best_path(workdir, progress.best_epoch):
            old.unlink()


def close(workdir: Path, terms: dict[str, Any], progress: Progress, best: dict[str, Any]) -> None:
    """Keep a finished training's progress and best checkpoint, without optimiser; may be repeated."""
    with files.replacing(best_path(workdir, progress.best_epoch)) as fresh:
        torch.save(best, fresh)
    write(workdir, terms, progress, {})
    shutil.rmtree(workdir / "ultralytics" / "weights", ignore_errors=True)


def read(workdir: Path, terms: dict[str, Any]) -> tuple[Progress, dict[str, Any]]:
    """Progress and parts; new ones where there is no state. Raises RunError as `training.state.read`."""
    return training_state.read(workdir, _VERSION, terms) or (Progress(), {})


def last_path(workdir: Path) -> Path:
    """The plain checkpoint of a finished training's last epoch."""
    return workdir / "last.pt"


def running_last_path(workdir: Path) -> Path:
    """The one that ultralytics writes after every epoch, with its optimiser."""
    return workdir / "ultralytics" / "weights" / "last.pt"


def best_path(workdir: Path, epoch: int) -> Path:
    return workdir / f"best-{epoch}.pt"


def random_state(loader: torch.Generator) -> dict[str, Any]:
    """Of all generators in use: augmentation draws from Python's and numpy's, the order from `loader`."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (str(kind), [int(key) for key in keys], int(position), int(has_gauss), float(gauss)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "loader": loader.get_state(),
    }


def set_random_state(saved: dict[str, Any], loader: torch.Generator) -> None:
    """Put the generators where `random_state` found them."""
    version, numbers, gauss = saved["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, position, has_gauss, normal = saved["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, normal))
    torch.set_rng_state(saved["torch"])
    if saved["cuda"] and len(saved["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(saved["cuda"])
    loader.set_state(saved["loader"])


class OnceBefore:
    """A sampler that calls `action` when it is first asked, and is the wrapped sampler otherwise.

    The loader creates its iterator, which draws a random number, right before it asks for the first order of
    a resumed training: a random state that was restored any earlier would be off by that number.
    """

    def __init__(self, sampler: Any, action: Callable[[], None]) -> None:
        self.sampler = sampler
        self.action: Callable[[], None] | None = action

    def __iter__(self) -> Iterator[Any]:
        if self.action is not None:
            self.action()
            self.action = None
        return iter(self.sampler)

    def __len__(self) -> int:
        return len(self.sampler)
