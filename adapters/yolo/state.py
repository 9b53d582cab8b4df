"""What a YOLO training leaves in its folder after every epoch, so that a killed one goes on exactly.

    WORKDIR/
      state.pt          everything below; replaced whole after each epoch
      best-EPOCH.pt     ultralytics' checkpoint of the best epoch so far; state.pt says which
      last.pt           that of the last epoch, once the training is done: YOLO("WORKDIR/last.pt") loads it
      ultralytics/      what the trainer itself writes: args.yaml, results.csv, weights/

ultralytics resumes from the half-precision average of the weights, with new random numbers, so that its
resumed training is another training. Here the weights, the optimiser, the average, the random generators
and the pictures that mosaic has at hand are kept as they were. One thing is not: worker processes that load
pictures draw numbers of their own, so with `workers` a resumed training sees other augmentations.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import files
from bench.errors import RunError

_VERSION = 2


@dataclass
class Progress:
    """How far a training is. `last_epoch` is its EpochRecord as plain JSON values; `trained_s` leaves
    validation out. It is `finished` when all was trained, and `stopped` when the harness said so."""

    epoch: int = 0
    optimizer_steps: int = 0
    pictures_seen: int = 0
    duration_s: float = 0.0
    trained_s: float = 0.0
    best_epoch: int = 0
    best_ap: float = -1.0
    stopped: bool = False
    finished: bool = False
    mosaic_closed: bool = False
    last_epoch: dict[str, Any] | None = None


def write(workdir: Path, terms: dict[str, Any], progress: Progress, parts: dict[str, Any]) -> None:
    """Replace the state, then drop checkpoints that it no longer names."""
    content = {"version": _VERSION, "terms": terms, "progress": asdict(progress), "parts": parts}
    with files.replacing(workdir / "state.pt") as fresh:
        torch.save(content, fresh)
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
    """Progress and parts; those of a beginning where no training stands.

    Raises RunError for one that was begun under other terms.
    """
    path = workdir / "state.pt"
    if not path.is_file():
        return Progress(), {}
    content = torch.load(path, map_location="cpu", weights_only=True)
    if content.get("version") != _VERSION:
        raise RunError("was written by another version", file=path, mend="take the folder away")
    if differences := list(_differences(content["terms"], terms)):
        raise RunError(
            "holds a training that was begun under other terms: " + "; ".join(differences),
            file=path,
            mend="take the folder away, or ask for the same training",
        )
    return Progress(**content["progress"]), content["parts"]


def _differences(there: Any, asked: Any, place: str = "") -> Iterator[str]:
    """'recipe.lr is 0.01 there, 0.1 is asked for', for everything that differs."""
    if isinstance(there, dict) and isinstance(asked, dict):
        for key in sorted(there.keys() | asked.keys()):
            yield from _differences(there.get(key), asked.get(key), f"{place}.{key}" if place else key)
    elif there != asked:
        yield f"{place} is {there!r} there, {asked!r} is asked for"


def last_path(workdir: Path) -> Path:
    """The plain checkpoint of a finished training's last epoch."""
    return workdir / "last.pt"


def running_last_path(workdir: Path) -> Path:
    """The one that ultralytics writes after every epoch, with its optimiser."""
    return workdir / "ultralytics" / "weights" / "last.pt"


def best_path(workdir: Path, epoch: int) -> Path:
    return workdir / f"best-{epoch}.pt"


def random_state(loader: torch.Generator) -> dict[str, Any]:
    """All generators that a training draws from: augmentation Python's and numpy's, the order `loader`."""
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

    The loader creates its iterator, which draws a number, right before it asks for the first order of a
    resumed training: random states that were restored any earlier would be off by that number.
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
