"""The optimiser steps of a training: when one comes, at which rates, and which is the last."""

import time
from typing import Any

import torch

from bench.adapters.loop.budget import Spent
from bench.adapters.ranks import ALONE, Ranks
from bench.adapters.yolo.pace import FOREVER, is_paced
from bench.adapters.yolo.recipe import BACKBONE, RecipeTrainer
from bench.detector import FitContext, Plan
from bench.layout import Layout

PER_BOX = frozenset({"batch_idx", "cls", "bboxes"})
"""What of a batch has a row for each box; everything else has one for each picture."""


class SteppedTrainer(RecipeTrainer):
    """Counts, accumulates, keeps to the budget and goes from stage to stage.

    ultralytics' loop calls `optimizer_step` after every batch; a step is taken when `accumulate` batches are
    together, at the end of an epoch, and when the budget is used up.
    """

    def __init__(
        self, plan: Plan, model: Any, layout: Layout, context: FitContext, ranks: Ranks = ALONE
    ) -> None:
        self.optimizer_steps = 0
        self.images_seen = 0
        self.trained_s = 0.0  # validation left out
        self.mosaic_closed = False
        self.clock: float | None = None  # when this epoch's training began, while it is under way
        self.tloss: dict[str, Any] | None = None  # ultralytics': mean losses of the epoch so far
        self.before_idle: tuple[Any, list[Any]] | None = None  # losses and gradients, while a batch is idle
        super().__init__(plan, model, layout, context, ranks)
        self.add_callback("on_train_epoch_start", type(self)._enter_epoch)
        self.add_callback("on_train_batch_start", type(self)._set_rates)
        self.add_callback("on_train_batch_end", type(self)._leave_batch)
        self.add_callback("on_train_epoch_end", type(self)._leave_epoch)

    def spent(self) -> Spent:
        """So far, validation left out. Where a clock decides, rank 0's counts: all ranks ask together."""
        running = 0.0 if self.clock is None else time.perf_counter() - self.clock
        seconds = self.trained_s + running
        if self.pace.timed:
            seconds = self.ranks.broadcast(seconds)
        return Spent(self.epoch, self.optimizer_steps, self.images_seen, seconds)

    def _enter_epoch(self) -> None:
        spent = self.spent()
        self._expect(spent)
        self.wanted = self.pace.length.images_left(spent)
        self.steps_wanted = self.pace.length.steps_left(spent)
        self.seen = self.batches = self.steps_done = 0
        if self.recipe.stages:
            self._freeze()
        self.clock = time.perf_counter()

    def _expect(self, spent: Spent) -> None:
        """ultralytics closes mosaic so many epochs before the end, which a clock does not know."""
        if self.pace.timed:
            self.epochs = self.pace.epochs(spent)
            if self.mosaic_closed:
                self.epochs = min(self.epochs, self.epoch + self.args.close_mosaic)
        if self.args.close_mosaic and self.epoch >= self.epochs - self.args.close_mosaic:
            self.mosaic_closed = True
        self.planned_epochs = self.epoch + 1 if self.epochs == FOREVER else max(self.epoch + 1, self.epochs)

    def _freeze(self) -> None:
        """As ultralytics does once; its loop keeps the norms of what is named here from learning, too."""
        layers = self.frozen(self.pace.stretch(self.epoch))
        self.freeze_layer_names = [*(f"model.{index}." for index in layers), ".dfl"]
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad = not any(setting in name for setting in self.freeze_layer_names)

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Cut to what the budget leaves, and counted: the pictures of all ranks."""
        size, length = self.recipe.batch, self.pace.length
        loaded = min(size, length.in_epoch - self.batches * size)
        counted = min(loaded, self.wanted - self.seen)
        rows = self.ranks.rows(loaded)
        own = min(rows.stop, counted) - rows.start
        if own <= 0:
            self._idle()
        ready: dict[str, Any] = super().preprocess_batch(first_images(batch, max(1, own)))
        self.batches += 1
        self.seen += counted
        return ready

    def _idle(self) -> None:
        """No picture of this batch is this rank's: what ultralytics' loop does with one leaves no trace."""
        gradients = [parameter.grad for parameter in self.model.parameters()]
        self.optimizer.zero_grad(set_to_none=True)
        self.before_idle = (self.tloss, gradients)

    def _undo_idle(self) -> None:
        if self.before_idle is None:
            return
        losses, gradients = self.before_idle
        self.tloss = losses
        for parameter, gradient in zip(self.model.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self.before_idle = None

    def _set_rates(self) -> None:
        """Of the step that this batch is for."""
        if not is_paced(self.recipe):
            return
        rate = self.pace.rate(self.epoch, self.spent())
        for group in self.optimizer.param_groups:
            name = group["param_group"]
            peak = rate.backbone_lr if name.startswith(BACKBONE) else rate.lr
            start = self.args.warmup_bias_lr if name == "bias" else 0.0
            peak = group["initial_lr"] if peak is None else peak
            group["lr"] = peak * rate.factor + start * (1 - rate.first_warmth)
            if "momentum" in group:
                low, high = self.args.warmup_momentum, self.args.momentum
                group["momentum"] = low + (high - low) * rate.first_warmth

    def optimizer_step(self) -> None:
        """After every batch: a step if it is time for one."""
        self._undo_idle()
        length = self.pace.length
        late = length.seconds is not None and self.spent().seconds >= length.seconds
        self.over = late or self.seen >= self.wanted
        self.stepped = self.over or self.batches % self.recipe.accumulate == 0
        if self.stepped:
            self._step()
            self.optimizer_steps += 1
            self.steps_done += 1

    def _step(self) -> None:
        """ultralytics' step with the recipe's norm in place of its fixed 10.

        Its loss is a sum over pictures: so are the gradients of all ranks.
        """
        self.ranks.all_reduce_gradients(self.model.parameters())
        self.scaler.unscale_(self.optimizer)
        if self.recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.ema.update(self.model)

    def _leave_batch(self) -> None:
        if self.stepped and self.ranks.first:
            self.context.on_step(self.steps_done, self.steps_wanted)
        if self.over and self.seen < self.pace.length.in_epoch:
            self.stop = True  # ultralytics leaves the epoch here, validates and ends

    def _leave_epoch(self) -> None:
        trained_s = self.spent().seconds
        self.epoch_s, self.trained_s = trained_s - self.trained_s, trained_s
        self.clock = None
        self.images_seen += self.seen
        if self.pace.timed:
            self.epochs = FOREVER
            self.stop = self.stop or self.pace.length.over(self.spent())

    def _handle_nan_recovery(self, epoch: int) -> bool:
        """Never: ultralytics would train an epoch again, with other weights, beyond the budget."""
        return False


def first_images(batch: dict[str, Any], count: int) -> dict[str, Any]:
    """The first `count` of a batch, with their boxes."""
    if len(batch["img"]) <= count:
        return batch
    boxes = batch["batch_idx"] < count
    return {key: value[boxes] if key in PER_BOX else value[:count] for key, value in batch.items()}
