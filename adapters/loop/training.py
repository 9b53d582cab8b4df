"""The training loop of every family that brings no trainer of its own.

Determinism: batches, flips, sizes, dropout and sampling depend on (seed, epoch) alone. On a CPU a training
that was killed and resumed equals an uninterrupted one bit by bit, unless its budget is in seconds; on a GPU
some kernels add in the order in which their threads end, so the last digits may differ.
"""

import math
import time
from dataclasses import replace

import torch

from bench.adapters.loop import feed, randomness
from bench.adapters.loop import state as training_state
from bench.adapters.loop.accumulation import grouped
from bench.adapters.loop.learner import Learner
from bench.adapters.loop.means import MeanLosses
from bench.adapters.loop.trainable import Trainable
from bench.adapters.loop.validation import Validation
from bench.adapters.training.budget import Elapsed, Length
from bench.adapters.training.ranks import SINGLE_RANK, Ranks
from bench.adapters.training.state import Progress
from bench.detector import FitContext
from bench.errors import RunError
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord


def fit(trainable: Trainable, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
    """Train on `train`, choose the epoch with the best AP on `val`, and leave its weights in `trainable`.

    `recipe` is resolved: only momentum may be None. A killed training is resumed from `context.workdir`.
    Raises RecipeError for what the network or the device can't follow, RunError if the loss becomes NaN or
    infinite.

    Where `context.world` has several processes, all of them call this, and each has a share of every batch.
    """
    # `enabled` is False by default.
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with Ranks(context.world, context.device) as ranks, randomness.preserved(context.device), exact:
        return _Training(trainable, layout, recipe, context, ranks).run()


class _Training:
    """One training under way."""

    def __init__(
        self,
        trainable: Trainable,
        layout: Layout,
        recipe: Recipe,
        context: FitContext,
        ranks: Ranks = SINGLE_RANK,
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
        self.validation = Validation(trainable, val, recipe, context.device, self.learner.precision)
        self.terms = {
            "recipe": recipe.model_dump(mode="json"),
            "seed": context.seed,
            "images": len(train),
        }
        self.progress = Progress()

    def run(self) -> TrainingRecord:
        stop = self._resume()
        while not stop and not self.length.over(self.progress.elapsed):
            self.learner.enter(self.progress.epoch + 1)
            stop = self._epoch()
        if stop and not self.progress.stopped and not self.progress.finished:
            self.progress.stopped = True
            self._write_state()
        return self._finish()

    def _resume(self) -> bool:
        """Go back to the state of a killed training; whether it was to stop."""
        found = training_state.read(self.context.workdir, self.terms)
        if found is None:
            return False
        self.progress, parts = found
        self.learner.load_state(parts, self.progress.epoch)
        if self.progress.stopped:
            return True
        # The kill may have come before the epoch was reported.
        return self._report(EpochRecord.model_validate(self.progress.last_epoch))

    def _report(self, record: EpochRecord) -> bool:
        """To the harness; its answer, whether to stop, goes to every rank."""
        return self.ranks.broadcast(self.context.on_epoch(record) if self.ranks.first else False)

    def _epoch(self) -> bool:
        """Train the next epoch, validate where due, write the state, report; whether to stop."""
        begun = time.perf_counter()
        before = self.progress.elapsed
        train_losses, elapsed = self._train(before)
        if self.progress.stopped:
            return True  # by a validation within the epoch
        due = self.recipe.val_after_epoch(elapsed.epochs, elapsed.steps) or self.length.over(elapsed)
        record = self._record(before, elapsed, train_losses, begun, validate=due)
        self.progress.advance(elapsed, record)
        self.progress.finished = self.length.over(elapsed)
        self._write_state()
        return self._report(record)

    def _record(
        self,
        before: Elapsed,
        elapsed: Elapsed,
        train_losses: dict[str, float],
        begun: float,
        *,
        validate: bool,
        share: float = 1.0,
    ) -> EpochRecord:
        """Of the epoch since `begun`; the weights are stored if they are the best so far."""
        val_losses: dict[str, float] = {}
        val_metrics: dict[str, float] = {}
        with self.learner.validated_weights():
            if validate and self.context.score_val is not None and self.ranks.first:
                val_losses, found = self.validation.run()
                val_metrics = self.context.score_val(found)
            record = self.ranks.broadcast(
                EpochRecord(
                    epoch=elapsed.epochs,
                    share=share,
                    epochs=self.length.planned_epochs(elapsed),
                    train_losses=train_losses,
                    val_losses=val_losses,
                    val_metrics=val_metrics,
                    learning_rates=self.learner.rates,
                    optimizer_steps=elapsed.steps,
                    images_seen=elapsed.images,
                    duration_s=time.perf_counter() - begun,
                    images_per_s=(elapsed.images - before.images) / (elapsed.seconds - before.seconds),
                )
            )
            if self.progress.choose(record) and self.ranks.first:
                training_state.write_best(self.context.workdir, record.epoch, self.trainable)
        return record

    def _train(self, before: Elapsed) -> tuple[dict[str, float], Elapsed]:
        """One pass over train, or over what is left of the budget: mean losses by component, all spent.

        A validation that is due within it may end it: the training is then `stopped`.
        """
        begun = time.perf_counter()
        validating = 0.0  # seconds

        def seconds() -> float:
            return before.seconds + time.perf_counter() - begun - validating

        epoch = before.epochs + 1
        torch.manual_seed(randomness.epoch_seed(self.context.seed, epoch, self.ranks.number))
        self.epochs.epoch = epoch
        self.epochs.limit = self.length.images_left(before)
        steps = self.length.steps_left(before)
        self.learner.freezing.train_mode()
        means = MeanLosses()
        elapsed = replace(before, epochs=epoch)
        for number, group in enumerate(grouped(self.loader, self.recipe.accumulate), start=1):
            self.learner.set_rates(self.length, elapsed)
            images = self.learner.step(group, means)
            elapsed = Elapsed(
                epochs=epoch,
                steps=elapsed.steps + 1,
                images=elapsed.images + images,
                seconds=seconds() if self.length.seconds is None else self.ranks.broadcast(seconds()),
            )
            if self.learner.average is not None:
                self.learner.average.update(elapsed.steps)
            if self.ranks.first:
                self.context.on_step(number, steps)
            if self.length.seconds is not None and elapsed.seconds >= self.length.seconds:
                break
            due = number < steps and self.recipe.val_after_step(elapsed.steps)
            if due and self.context.score_val is not None:
                paused = time.perf_counter()
                losses = _finite(means.values(self.ranks), epoch)
                share = number / self.length.steps_per_epoch
                record = self._record(before, elapsed, losses, begun, validate=True, share=share)
                if self._report(record):
                    self.progress.stopped = True
                    self.progress.advance(elapsed, record)
                    self._write_state()
                    break
                self.learner.freezing.train_mode()
                validating += time.perf_counter() - paused
        return _finite(means.values(self.ranks), epoch), replace(
            elapsed, seconds=self.ranks.broadcast(seconds())
        )

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
        return progress.record(_chosen_by(progress))


def _finite(losses: dict[str, float], epoch: int) -> dict[str, float]:
    """The same losses. Raises RunError where one is NaN or infinite."""
    if not all(math.isfinite(value) for value in losses.values()):
        raise RunError(
            f"the training diverged: a loss is NaN or infinite in epoch {epoch}",
            value=losses,
            hint="lower train.lr, or clip with train.clip_norm",
        )
    return losses


def _chosen_by(progress: Progress) -> str:
    if not progress.epoch:
        return "nothing was trained: the weights as they came"
    return "AP on val, the harness's judge" if progress.best_epoch else "the last epoch: none was validated"
