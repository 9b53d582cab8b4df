"""The optimiser steps of a training by ultralytics: when one is taken, at which rates, which is the last."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bench.adapters.training.budget import Elapsed
from bench.adapters.training.ranks import Ranks
from bench.adapters.yolo import optimiser
from bench.adapters.yolo.schedule import UNLIMITED_EPOCHS, StepSchedule, schedules_steps
from bench.recipe import Recipe

PER_BOX = frozenset({"batch_idx", "cls", "bboxes"})
"""What has one row per box in a batch; everything else has one per image."""


class Steps:
    """Counts, accumulates, keeps to the budget and goes from stage to stage.

    ultralytics' loop asks for a step after every batch. One is taken when `accumulate` batches are together,
    at the end of an epoch, and when the budget is used up.
    """

    def __init__(self, trainer: Any, recipe: Recipe, schedule: StepSchedule, ranks: Ranks) -> None:
        self._trainer = trainer
        self._recipe = recipe
        self._ranks = ranks
        self.schedule = schedule
        self.taken = 0
        self.images = 0  # of whole epochs
        self.seconds = 0.0  # of whole epochs, without validation
        self.mosaic_closed = False
        self._clock: float | None = None  # when the training of this epoch began, while it is under way
        self._before_idle: tuple[Any, list[Any]] | None = None  # losses and gradients, while a batch is idle

    def elapsed(self) -> Elapsed:
        """So far. Where the seconds decide, those of rank 0 count: all ranks ask together."""
        seconds = self.seconds + (0.0 if self._clock is None else time.perf_counter() - self._clock)
        if self.schedule.timed:
            seconds = self._ranks.broadcast(seconds)
        return Elapsed(self._trainer.epoch, self.taken, self.images, seconds)

    def enter_epoch(self) -> None:
        elapsed = self.elapsed()
        self._plan_epochs(elapsed)
        self._images_wanted = self.schedule.length.images_left(elapsed)
        self.wanted = self.schedule.length.steps_left(elapsed)
        self.epoch_images = self.epoch_steps = self._batches = 0
        if self._recipe.stages:
            self._freeze()
        self._clock = time.perf_counter()

    def _plan_epochs(self, elapsed: Elapsed) -> None:
        """ultralytics closes mosaic some epochs before the end, which is unknown where seconds decide."""
        trainer = self._trainer
        if self.schedule.timed:
            trainer.epochs = self.schedule.epochs(elapsed)
            if self.mosaic_closed:
                trainer.epochs = min(trainer.epochs, trainer.epoch + trainer.args.close_mosaic)
        if trainer.args.close_mosaic and trainer.epoch >= trainer.epochs - trainer.args.close_mosaic:
            self.mosaic_closed = True
        known = 0 if trainer.epochs == UNLIMITED_EPOCHS else trainer.epochs
        self.planned_epochs = max(trainer.epoch + 1, known)

    def _freeze(self) -> None:
        """As ultralytics does once; its loop keeps the norms of these layers in evaluation mode, too."""
        trainer = self._trainer
        layers = optimiser.frozen_layers(self.schedule.stage(trainer.epoch).freeze, trainer.model)
        trainer.freeze_layer_names = [*(f"model.{index}." for index in layers), ".dfl"]
        for name, parameter in trainer.model.named_parameters():
            parameter.requires_grad = not any(part in name for part in trainer.freeze_layer_names)

    def cut(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The images of a batch that the budget leaves to this rank; those of all ranks are counted."""
        if self._clock is None:  # the gates look at a batch without a training
            return batch
        size, length = self._recipe.batch, self.schedule.length
        loaded = min(size, length.images_per_epoch - self._batches * size)
        counted = min(loaded, self._images_wanted - self.epoch_images)
        rows = self._ranks.rows(loaded)
        own = min(rows.stop, counted) - rows.start
        if own <= 0:
            self._idle()
        self._batches += 1
        self.epoch_images += counted
        return first_images(batch, max(1, own))

    def _idle(self) -> None:
        """No image of this batch is this rank's: what ultralytics does with one is undone afterwards."""
        gradients = [parameter.grad for parameter in self._trainer.model.parameters()]
        self._trainer.optimizer.zero_grad(set_to_none=True)
        self._before_idle = (self._trainer.tloss, gradients)

    def _undo_idle(self) -> None:
        if self._before_idle is None:
            return
        self._trainer.tloss, gradients = self._before_idle
        for parameter, gradient in zip(self._trainer.model.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self._before_idle = None

    def set_rates(self) -> None:
        """Of the step that the next batch is for."""
        if schedules_steps(self._recipe):
            trainer = self._trainer
            rate = self.schedule.rate(trainer.epoch, self.elapsed())
            optimiser.set_rates(trainer.optimizer, rate, trainer.args)

    def after_batch(self) -> None:
        """Take a step if it is time for one."""
        self._undo_idle()
        limit = self.schedule.length.seconds
        late = limit is not None and self.elapsed().seconds >= limit
        self.over = late or self.epoch_images >= self._images_wanted
        self.stepped = self.over or self._batches % self._recipe.accumulate == 0
        if self.stepped:
            self._step()
            self.taken += 1
            self.epoch_steps += 1

    def _step(self) -> None:
        """ultralytics' step with the recipe's norm in place of its fixed 10.

        Its loss is a sum over images: so are the gradients of all ranks.
        """
        trainer = self._trainer
        self._ranks.all_reduce_gradients(trainer.model.parameters())
        trainer.scaler.unscale_(trainer.optimizer)
        if self._recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), max_norm=self._recipe.clip_norm)
        trainer.scaler.step(trainer.optimizer)
        trainer.scaler.update()
        trainer.optimizer.zero_grad()
        trainer.ema.update(trainer.model)

    @property
    def ends_training(self) -> bool:
        """After a batch: whether the budget ends within this epoch."""
        return self.over and self.epoch_images < self.schedule.length.images_per_epoch

    def leave_epoch(self) -> None:
        seconds = self.elapsed().seconds
        self.epoch_seconds, self.seconds = seconds - self.seconds, seconds
        self._clock = None
        self.images += self.epoch_images
        if self.schedule.timed:
            self._trainer.epochs = UNLIMITED_EPOCHS
            self._trainer.stop |= self.schedule.length.over(self.elapsed())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside is no training: its seconds do not count."""
        begun = time.perf_counter()
        yield
        assert self._clock is not None, "an epoch is under way"
        self._clock += time.perf_counter() - begun


def first_images(batch: dict[str, Any], count: int) -> dict[str, Any]:
    """The first `count` images of a batch, with their boxes."""
    if len(batch["img"]) <= count:
        return batch
    boxes = batch["batch_idx"] < count
    return {key: value[boxes] if key in PER_BOX else value[:count] for key, value in batch.items()}
