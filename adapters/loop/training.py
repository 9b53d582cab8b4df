"""The one training loop, for every family that brings no trainer of its own. It stands on accelerate.

Determinism: batches, flips, sizes, dropout and sampling come from (seed, epoch) alone. On a CPU a training
that was killed and taken up again equals an uninterrupted one bit by bit, unless its budget is in seconds; on
a GPU some kernels add in whatever order their threads end, so the last digits may differ.
"""

import math
import time
from dataclasses import replace

import torch

from bench.adapters.loop import feed, randomness
from bench.adapters.loop import state as training_state
from bench.adapters.loop.accumulation import grouped
from bench.adapters.loop.budget import Length, Spent
from bench.adapters.loop.learner import Learner
from bench.adapters.loop.means import Means
from bench.adapters.loop.state import Progress
from bench.adapters.loop.trainable import Trainable
from bench.adapters.loop.validation import Validation
from bench.adapters.ranks import ALONE, Ranks
from bench.detector import FitContext
from bench.errors import RunError
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord


def fit(trainable: Trainable, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
    """Train on `train`, choose the epoch with the best AP on `val`, and leave its weights in `trainable`.

    `recipe` is resolved: None is left in no word but momentum. What a killed training left in
    `context.workdir` is taken up. Raises RecipeError for what the network or the device can't follow,
    RunError if the loss is no number any more.

    Where `context.world` has several processes, all of them call this, and each has a share of every batch.
    """
    # `enabled` is False unless it is said.
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with Ranks(context.world, context.device) as ranks, randomness.kept(context.device), exact:
        return _Training(trainable, layout, recipe, context, ranks).run()


class _Training:
    """One training under way."""

    def __init__(
        self,
        trainable: Trainable,
        layout: Layout,
        recipe: Recipe,
        context: FitContext,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.recipe = recipe
        self.context = context
        self.learner = Learner(trainable, recipe, context.device, ranks)
        train, val = layout.examples("train"), layout.examples("val")
        self.length = Length.of(recipe, len(train))
        self.loader, self.epochs = feed.training(
            train, recipe, context.seed, context.device, trainable.augment, ranks
        )
        self.trainable = trainable
        self.validation = Validation(trainable, val, recipe, context.device)
        self.terms = {
            "recipe": recipe.model_dump(mode="json"),
            "seed": context.seed,
            "images": len(train),
        }
        self.progress = Progress()

    def run(self) -> TrainingRecord:
        stop = self._take_up()
        while not stop and not self.length.over(self.progress.spent):
            self.learner.enter(self.progress.epoch + 1)
            stop = self._epoch()
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
        self.learner.load_state(parts, self.progress.epoch)
        if self.progress.stopped:
            return True
        # The kill may have come before anyone heard of that epoch.
        return self._tell(EpochRecord.model_validate(self.progress.last_epoch))

    def _tell(self, record: EpochRecord) -> bool:
        """What the harness says to an epoch, to every rank: whether to stop."""
        return self.ranks.broadcast(self.context.on_epoch(record) if self.ranks.first else False)

    def _epoch(self) -> bool:
        """The next epoch, validated where it is due, its result safe on disk and told; whether to stop."""
        begun = time.perf_counter()
        before = self.progress.spent
        train_losses, spent = self._train(before)
        if self.progress.stopped:
            return True  # a validation within it has said so
        due = self.recipe.val_after_epoch(spent.epochs, spent.steps) or self.length.over(spent)
        record = self._judged(before, spent, train_losses, begun, validate=due)
        self.progress.advance(spent, record)
        self._write_state()
        return self._tell(record)

    def _judged(
        self,
        before: Spent,
        spent: Spent,
        train_losses: dict[str, float],
        begun: float,
        *,
        validate: bool,
        share: float = 1.0,
    ) -> EpochRecord:
        """What there is to tell of the epoch since `begun`; its weights are kept if they are the best."""
        val_losses: dict[str, float] = {}
        val_metrics: dict[str, float] = {}
        with self.learner.judged_weights():
            if validate and self.context.score_val is not None and self.ranks.first:
                val_losses, found = self.validation.look()
                val_metrics = self.context.score_val(found)
            record = self.ranks.broadcast(
                EpochRecord(
                    epoch=spent.epochs,
                    share=share,
                    epochs=self.length.planned_epochs(spent),
                    train_losses=train_losses,
                    val_losses=val_losses,
                    val_metrics=val_metrics,
                    learning_rates=self.learner.rates,
                    optimizer_steps=spent.steps,
                    images_seen=spent.images,
                    duration_s=time.perf_counter() - begun,
                    images_per_s=(spent.images - before.images) / (spent.seconds - before.seconds),
                )
            )
            self._choose(record)
        return record

    def _train(self, before: Spent) -> tuple[dict[str, float], Spent]:
        """One pass over train, or over what is left of the budget: mean losses by component; all used up.

        A validation that is due within it may end it; the training is `stopped` then.
        """
        begun = time.perf_counter()
        validating = 0.0  # seconds

        def seconds() -> float:
            return before.seconds + time.perf_counter() - begun - validating

        epoch = before.epochs + 1
        torch.manual_seed(randomness.mixed(self.context.seed, epoch, self.ranks.number))
        self.epochs.epoch = epoch
        self.epochs.limit = self.length.images_left(before)
        steps = self.length.steps_left(before)
        self.learner.freezing.train_mode()
        means = Means()
        spent = replace(before, epochs=epoch)
        for number, group in enumerate(grouped(self.loader, self.recipe.accumulate), start=1):
            self.learner.set_rates(self.length, spent)
            images = self.learner.step(group, means)
            spent = Spent(
                epochs=epoch,
                steps=spent.steps + 1,
                images=spent.images + images,
                seconds=seconds() if self.length.seconds is None else self.ranks.broadcast(seconds()),
            )
            if self.learner.average is not None:
                self.learner.average.update(spent.steps)
            if self.ranks.first:
                self.context.on_step(number, steps)
            if self.length.seconds is not None and spent.seconds >= self.length.seconds:
                break
            due = number < steps and self.recipe.val_after_step(spent.steps)
            if due and self.context.score_val is not None:
                paused = time.perf_counter()
                losses = _finite(means.values(self.ranks), epoch)
                share = number / self.length.steps_in_epoch
                record = self._judged(before, spent, losses, begun, validate=True, share=share)
                if self._tell(record):
                    self.progress.stopped = True
                    self.progress.advance(spent, record)
                    self._write_state()
                    break
                self.learner.freezing.train_mode()
                validating += time.perf_counter() - paused
        return _finite(means.values(self.ranks), epoch), replace(
            spent, seconds=self.ranks.broadcast(seconds())
        )

    def _choose(self, record: EpochRecord) -> None:
        """Keep the network's present weights if they are the best so far."""
        if record.val_metrics and record.val_metrics["AP"] > self.progress.best_ap:
            self.progress.best_ap = record.val_metrics["AP"]
            self.progress.best_epoch = record.epoch
            self.progress.best_step = record.optimizer_steps
            if self.ranks.first:
                training_state.write_best(self.context.workdir, record.epoch, self.trainable)

    def _write_state(self) -> None:
        if not self.ranks.first:
            return
        training_state.write(self.context.workdir, self.terms, self.progress, self.learner.state())

    def _finish(self) -> TrainingRecord:
        progress = self.progress
        self.learner.end()
        if progress.epoch and self.ranks.first:
            training_state.write_last(self.context.workdir, self.trainable)
        if progress.best_epoch:
            self.trainable.load_state_dict(
                training_state.read_best(self.context.workdir, progress.best_epoch)
            )
        self.trainable.eval()
        return progress.record(early=progress.stopped and not self.length.over(progress.spent))


def _finite(losses: dict[str, float], epoch: int) -> dict[str, float]:
    """The same losses. Raises RunError where one is no finite number."""
    if not all(math.isfinite(value) for value in losses.values()):
        raise RunError(
            f"the training diverged: a loss is no finite number in epoch {epoch}",
            value=losses,
            hint="lower train.lr, or clip with train.clip_norm",
        )
    return losses
