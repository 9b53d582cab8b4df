"""How far a training is, and the file state.pt from which a killed one is resumed. Imports torch."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bench import files
from bench.adapters.training.budget import Elapsed
from bench.config_tree import differences
from bench.errors import RunError
from bench.records import EpochRecord, TrainingRecord

NAME = "state.pt"


@dataclass
class Progress:
    """How far a training is. `train_s` leaves out validation, which is a part of `duration_s`."""

    epoch: int = 0
    optimizer_steps: int = 0
    images_seen: int = 0
    duration_s: float = 0.0
    train_s: float = 0.0
    best_epoch: int = 0
    best_step: int | None = None
    best_ap: float = -1.0
    stopped: bool = False
    """By the harness, before all was trained."""
    finished: bool = False
    """All was trained."""
    last_epoch: dict[str, Any] | None = None
    """Its EpochRecord as JSON."""
    loss: dict[str, Any] | None = None
    """The LossRecord as JSON, where training measures the scale of the class loss."""

    @property
    def elapsed(self) -> Elapsed:
        return Elapsed(self.epoch, self.optimizer_steps, self.images_seen, self.train_s)

    def advance(self, elapsed: Elapsed, record: EpochRecord) -> None:
        """After one more epoch."""
        self.epoch = elapsed.epochs
        self.optimizer_steps = elapsed.steps
        self.images_seen = elapsed.images
        self.train_s = elapsed.seconds
        self.duration_s += record.duration_s
        self.last_epoch = record.model_dump(mode="json")

    def choose(self, record: EpochRecord) -> bool:
        """Whether the weights of this record are the best so far; they are noted as such."""
        ap = record.val_metrics.get("AP")
        if ap is None or ap <= self.best_ap:
            return False
        self.best_ap, self.best_epoch, self.best_step = ap, record.epoch, record.optimizer_steps
        return True

    def record(self, chosen_by: str) -> TrainingRecord:
        """Of a training that ends here."""
        return TrainingRecord(
            epochs=self.epoch,
            best_epoch=self.best_epoch or self.epoch,
            best_step=self.best_step,
            optimizer_steps=self.optimizer_steps,
            images_seen=self.images_seen,
            duration_s=self.duration_s,
            training_s=self.train_s,
            stopped_early=self.stopped,
            chosen_by=chosen_by,
        )


def write(
    workdir: Path, version: int, terms: dict[str, Any], progress: Progress, parts: dict[str, Any]
) -> None:
    """Replace the state. Who reads it must have the same `terms` (recipe, seed ...)."""
    content = {"version": version, "terms": terms, "progress": asdict(progress), "parts": parts}
    with files.replacing(workdir / NAME) as fresh:
        torch.save(content, fresh)


def read(workdir: Path, version: int, terms: dict[str, Any]) -> tuple[Progress, dict[str, Any]] | None:
    """The progress and the parts, or None where there is no state.

    Raises RunError for a training that was begun by another version or under other terms.
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
    return Progress(**content["progress"]), content["parts"]
