"""The one training loop, for every family that brings no trainer of its own. It stands on accelerate.

Determinism: batches, flips, sizes, dropout and sampling come from (seed, epoch) alone. On a CPU a training
that was killed and taken up again equals an uninterrupted one bit by bit; on a GPU some kernels add in
whatever order their threads end, so the last digits may differ.
"""

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from bench.adapters.loop import feed
from bench.adapters.loop import state as training_state
from bench.adapters.loop.inference import in_originals
from bench.adapters.loop.schedule import factor
from bench.adapters.loop.state import Progress
from bench.adapters.loop.trainable import Batch, Trainable
from bench.detector import Detections, FitContext
from bench.errors import RunError
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord

CHOSEN_BY = "AP on val, the harness's judge"

DEFAULT_MOMENTUM = 0.9
"""SGD's momentum in torchvision's references, AdamW's beta1 in torch; DETR uses the same."""

_ADAM_BETA2 = 0.999  # torch's default; DETR's too


def fit(trainable: Trainable, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
    """Train on `train`, choose the epoch with the best AP on `val`, and leave its weights in `trainable`.

    `recipe` is resolved: None is left in no word but momentum. What a killed training left in
    `context.workdir` is taken up. Raises RunError if the loss is no number any more.
    """
    # `enabled` is False unless it is said.
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with _random_kept(context.device), exact:
        return _Training(trainable, layout, recipe, context).run()


class _Means:
    """Means of loss components over pictures, kept on the device until they are asked for."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weight = 0

    def add(self, losses: Mapping[str, Tensor], pictures: int) -> None:
        for name, loss in losses.items():
            share = loss.detach().double() * pictures
            self._sums[name] = self._sums[name] + share if name in self._sums else share
        self._weight += pictures

    def values(self) -> dict[str, float]:
        return {name: float(total) / self._weight for name, total in self._sums.items()}


class _Training:
    """One training under way."""

    def __init__(self, trainable: Trainable, layout: Layout, recipe: Recipe, context: FitContext) -> None:
        self.recipe = recipe
        self.context = context
        self.accelerator = _accelerator(context.device, recipe)
        train, val = layout.examples("train"), layout.examples("val")
        self.pictures = len(train)
        self.loader, self.epochs = feed.training(train, recipe, context.seed, context.device)
        self.val_loader = feed.validation(val, recipe, context.device)
        self.steps_in_epoch = len(self.epochs)
        self.trainable = trainable.to(context.device)
        groups = _groups(trainable, recipe)
        self.optimizer = self.accelerator.prepare(_optimizer(groups, recipe))
        self.model = self.accelerator.prepare(trainable)
        self.terms = {"recipe": recipe.model_dump_json(), "seed": context.seed, "pictures": len(train)}
        self.progress = Progress()

    def run(self) -> TrainingRecord:
        stop = self._take_up()
        while not stop and self.progress.epoch < self.recipe.epochs:
            record = self._epoch(self.progress.epoch + 1)
            self._keep(record)
            stop = self.context.on_epoch(record)
        if stop and not self.progress.stopped:
            self.progress.stopped = True
            self._write_state()
        return self._finish()

    def _take_up(self) -> bool:
        """Go back to where a killed training stood; whether it had been told to stop."""
        found = training_state.read(self.context.workdir, self.terms)
        if found is None:
            return False
        self.progress, parts = found
        self.trainable.load_state_dict(parts["weights"])
        self.optimizer.load_state_dict(parts["optimizer"])
        if self.accelerator.scaler is not None and parts["scaler"]:
            self.accelerator.scaler.load_state_dict(parts["scaler"])
        if self.progress.stopped:
            return True
        # The kill may have come before anyone heard of that epoch.
        return self.context.on_epoch(EpochRecord.model_validate(self.progress.last_epoch))

    def _epoch(self, epoch: int) -> EpochRecord:
        begun = time.perf_counter()
        train_losses = self._train(epoch)
        val_losses: dict[str, float] = {}
        val_metrics: dict[str, float] = {}
        if epoch % self.recipe.val_every == 0 or epoch == self.recipe.epochs:
            val_losses, val_metrics = self._validate()
        return EpochRecord(
            epoch=epoch,
            epochs=self.recipe.epochs,
            train_losses=train_losses,
            val_losses=val_losses,
            val_metrics=val_metrics,
            learning_rates={group["name"]: group["lr"] for group in self.optimizer.param_groups},
            optimizer_steps=self.progress.optimizer_steps + self.steps_in_epoch,
            pictures_seen=self.progress.pictures_seen + self.pictures,
            duration_s=time.perf_counter() - begun,
        )

    def _train(self, epoch: int) -> dict[str, float]:
        """One pass over train; mean losses by component."""
        torch.manual_seed(_mixed(self.context.seed, epoch))
        self.epochs.epoch = epoch
        self.model.train()
        if self.recipe.backbone_lr == 0:
            self.trainable.backbone.eval()
        means = _Means()
        for number, batch in enumerate(self.loader):
            self._set_rates((epoch - 1) * self.steps_in_epoch + number)
            means.add(self._step(batch.to(self.context.device)), len(batch))
            self.context.on_step(number + 1, self.steps_in_epoch)
        losses = means.values()
        if not all(math.isfinite(value) for value in losses.values()):
            raise RunError(
                f"the training diverged: a loss is no finite number in epoch {epoch}",
                value=losses,
                mend="lower train.lr, or clip with train.clip_norm",
            )
        return losses

    def _set_rates(self, step: int) -> None:
        share = factor(
            self.recipe,
            step,
            steps=self.recipe.epochs * self.steps_in_epoch,
            steps_in_epoch=self.steps_in_epoch,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimiser step; the losses before it."""
        losses: dict[str, Tensor] = self.model(batch)
        weights = self.trainable.loss_weights
        total = torch.stack([loss * weights.get(name, 1.0) for name, loss in losses.items()]).sum()
        self.accelerator.backward(total)
        if self.recipe.clip_norm:
            self.accelerator.clip_grad_norm_(self.trainable.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return losses

    def _validate(self) -> tuple[dict[str, float], dict[str, float]]:
        """Mean losses on val, and the judge's figures."""
        means = _Means()
        found: list[Detections] = []
        self.model.eval()
        with torch.no_grad(), _random_kept(self.context.device):
            torch.manual_seed(0)  # losses that sample boxes: the same draw every time
            for batch in self.val_loader:
                there = batch.to(self.context.device)
                means.add(self.trainable(there), len(batch))
                found += in_originals(self.trainable.detect(there), batch)
        return means.values(), self.context.score_val(found)

    def _keep(self, record: EpochRecord) -> None:
        """Make the epoch's result safe on disk."""
        progress = self.progress
        progress.epoch = record.epoch
        progress.optimizer_steps = record.optimizer_steps
        progress.pictures_seen = record.pictures_seen
        progress.duration_s += record.duration_s
        progress.last_epoch = record.model_dump(mode="json")
        if record.val_metrics and record.val_metrics["AP"] > progress.best_ap:
            progress.best_ap = record.val_metrics["AP"]
            progress.best_epoch = record.epoch
            training_state.write_best(self.context.workdir, record.epoch, self.trainable)
        self._write_state()

    def _write_state(self) -> None:
        scaler = self.accelerator.scaler
        parts: dict[str, Any] = {
            "weights": self.trainable.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }
        training_state.write(self.context.workdir, self.terms, self.progress, parts)

    def _finish(self) -> TrainingRecord:
        progress = self.progress
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        if progress.best_epoch:
            self.trainable.load_state_dict(
                training_state.read_best(self.context.workdir, progress.best_epoch)
            )
        self.trainable.eval()
        return TrainingRecord(
            epochs=progress.epoch,
            best_epoch=progress.best_epoch or progress.epoch,
            optimizer_steps=progress.optimizer_steps,
            pictures_seen=progress.pictures_seen,
            duration_s=progress.duration_s,
            stopped_early=progress.stopped and progress.epoch < self.recipe.epochs,
            chosen_by=CHOSEN_BY if progress.best_epoch else "the last epoch: none was validated",
        )


def _accelerator(device: str, recipe: Recipe) -> Accelerator:
    """For one process on `device`. accelerate's state is the whole process's: an earlier fit's is dropped."""
    AcceleratorState._reset_state(reset_partial_state=True)
    if device == "cpu":
        return Accelerator(cpu=True, mixed_precision="no")
    torch.cuda.set_device(torch.device(device))
    half = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return Accelerator(mixed_precision=half if recipe.amp else "no")


def _groups(trainable: Trainable, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters with their peak rates; a backbone whose rate is 0 is frozen."""
    if recipe.backbone_lr == 0:
        trainable.backbone.requires_grad_(False)
    in_backbone = {id(parameter) for parameter in trainable.backbone.parameters()}
    free = [parameter for parameter in trainable.parameters() if parameter.requires_grad]
    groups = [
        {
            "name": "backbone",
            "params": [parameter for parameter in free if id(parameter) in in_backbone],
            "peak_lr": recipe.backbone_lr,
        },
        {
            "name": "rest",
            "params": [parameter for parameter in free if id(parameter) not in in_backbone],
            "peak_lr": recipe.lr,
        },
    ]
    return [{**group, "lr": group["peak_lr"]} for group in groups if group["params"]]


def _optimizer(groups: list[dict[str, Any]], recipe: Recipe) -> Optimizer:
    momentum = DEFAULT_MOMENTUM if recipe.momentum is None else recipe.momentum
    decay = recipe.weight_decay or 0.0
    if recipe.optimizer == "sgd":
        return SGD(groups, momentum=momentum, weight_decay=decay, fused=True)
    return AdamW(groups, betas=(momentum, _ADAM_BETA2), weight_decay=decay, fused=True)


def _random_kept(device: str) -> AbstractContextManager[None]:
    """torch's random generators, on the CPU and on `device`, are afterwards as they were before."""
    return torch.random.fork_rng(devices=[] if device == "cpu" else [torch.device(device)])


def _mixed(seed: int, epoch: int) -> int:
    """A seed for torch: 32 bits that depend on both numbers."""
    return (seed * 1_000_003 + epoch) % 2**32
