"""What surrounds ultralytics' epochs: validation by the harness, reports to it, saving and resuming."""

import time
from pathlib import Path
from typing import Any

import torch
from ultralytics.utils.torch_utils import unwrap_model

from bench.adapters.training.budget import Elapsed
from bench.adapters.training.ranks import Ranks
from bench.adapters.training.state import Progress
from bench.adapters.yolo import state as yolo_state
from bench.adapters.yolo.loss import ClassLoss, class_loss, put_into
from bench.adapters.yolo.state import OnceBefore
from bench.detector import Detections, FitContext, Plan
from bench.layout import Layout
from bench.records import EpochRecord


class Session:
    """One training, and its `progress`."""

    def __init__(
        self,
        trainer: Any,
        plan: Plan,
        layout: Layout,
        context: FitContext,
        terms: dict[str, Any],
        ranks: Ranks,
    ) -> None:
        self._trainer = trainer
        self._recipe = plan.recipe
        self._layout = layout
        self._context = context
        self._terms = terms
        self._ranks = ranks
        self.progress = Progress()
        self._parts: dict[str, Any] | None = None  # of a training to resume
        self._class_loss: ClassLoss | None = None
        self._judged: dict[str, float] = {}  # by the harness, in this epoch

    # Resuming

    def resume_from(self, progress: Progress, parts: dict[str, Any]) -> None:
        """Before `Trainer.train()`: continue a training whose state was saved."""
        self.progress = progress
        self._parts = parts
        steps = self._trainer.steps
        steps.taken, steps.images = progress.optimizer_steps, progress.images_seen
        steps.seconds, steps.mosaic_closed = progress.train_s, parts["mosaic_closed"]

    def resume(self) -> None:
        """Put everything back as it was saved; see bench.adapters.yolo.state."""
        if self._parts is None:
            return
        trainer, parts = self._trainer, self._parts
        trainer.start_epoch = self.progress.epoch
        trainer.model.load_state_dict(parts["model"])
        trainer.ema.ema.load_state_dict(parts["ema"])
        trainer.ema.updates = parts["ema_updates"]
        groups = trainer.optimizer.param_groups
        for saved, group in zip(parts["optimizer"]["param_groups"], groups, strict=True):
            saved["fused"] = group.get("fused")  # of this device, not of the one that saved it
        trainer.optimizer.load_state_dict(parts["optimizer"])
        trainer.scaler.load_state_dict(parts["scaler"])
        trainer.best_fitness = self.progress.best_ap if self.progress.best_epoch else None
        trainer.csv.write_text(parts["csv"], encoding="utf-8")
        if hasattr(trainer.model.model[-1], "one2one_cv2"):  # two heads: their losses trade weight by epoch
            trainer.model.criterion = trainer.model.init_criterion()
            trainer.model.criterion.updates = trainer.start_epoch - 1
            trainer.model.criterion.update()
        batches = trainer.train_loader.batch_sampler
        batches.sampler = OnceBefore(batches.sampler, lambda: self._restore_random_state(parts))

    def _restore_random_state(self, parts: dict[str, Any]) -> None:
        trainer = self._trainer
        loader, dataset = trainer.train_loader, trainer.train_loader.dataset
        own = parts["ranks"][self._ranks.number]
        dataset.refill(own["mosaic_buffer"])
        dataset.keep_random_state()
        yolo_state.set_random_state(own["random"], loader.generator)
        # What an uninterrupted training draws from the loader's generator between the state and this order:
        if trainer.args.close_mosaic and trainer.start_epoch == trainer.epochs - trainer.args.close_mosaic:
            torch.empty((), dtype=torch.int64).random_(generator=loader.generator)  # a new iterator's seed
        elif len(dataset) % trainer.batch_size == 0:
            torch.randperm(len(dataset), generator=loader.generator)  # RandomSampler's empty rest

    def set_class_loss(self) -> None:
        """The model and its average, which is validated, share the criterion; no checkpoint keeps it."""
        saved = self.progress.loss
        scale = None if saved is None else float(saved["scale"])
        self._class_loss = class_loss(self._recipe.loss, self._layout, scale, self._ranks.all_reduce)
        if self._class_loss is None:
            return
        model = unwrap_model(self._trainer.model)
        if getattr(model, "criterion", None) is None:  # two heads that are resumed have theirs
            model.criterion = model.init_criterion()
        put_into(model.criterion, self._class_loss)
        self._trainer.ema.ema.criterion = model.criterion

    # Validation

    def begin_epoch(self) -> None:
        self._begun = time.perf_counter()
        self._judged = {}
        self._trainer.args.val = False

    def val_is_due(self) -> bool:
        """At the end of this epoch."""
        due = self._recipe.val_after_epoch(self._trainer.epoch + 1, self._trainer.steps.taken)
        return due and self._context.score_val is not None

    def validate(self) -> tuple[dict[str, float], float]:
        """ultralytics' figures and the judge's AP.

        Nothing without a judge, on other ranks than the first, and for weights that have been validated.
        """
        trainer = self._trainer
        if self._context.score_val is None or not self._ranks.first or self.progress.stopped:
            return trainer.metrics, 0.0
        native: dict[str, float] = trainer.validator(trainer)
        native.pop("fitness", None)
        found, none = trainer.validator.found, Detections.none()
        images = [str(example.path) for example in trainer.examples["val"]]
        self._judged = self._context.score_val([found.get(image, none) for image in images])
        fitness = self._judged["AP"]
        if trainer.best_fitness is None or fitness > trainer.best_fitness:
            trainer.best_fitness = fitness
        return native, fitness

    def choose(self) -> tuple[Path, bool]:
        """Where the best weights of this epoch would lie, and whether the present ones are the best so far.

        Without a judge, those of the last epoch are.
        """
        ap = self._judged.get("AP")
        chosen = self._context.score_val is None or (ap is not None and ap > self.progress.best_ap)
        if chosen:
            self.progress.best_ap = self.progress.best_ap if ap is None else ap
            self.progress.best_epoch = self._trainer.epoch + 1
            self.progress.best_step = self._trainer.steps.taken
        return yolo_state.best_path(self._context.workdir, self._trainer.epoch + 1), chosen

    def end_batch(self) -> None:
        """After an optimiser step: report it, and validate where that is due within an epoch.

        The random numbers that ultralytics' validation draws are put back: it leaves no trace.
        """
        trainer, steps = self._trainer, self._trainer.steps
        if steps.stepped and self._ranks.first:
            self._context.on_step(steps.epoch_steps, steps.wanted)
        due = steps.stepped and self._recipe.val_after_step(steps.taken)
        if not due or steps.over or self._context.score_val is None:
            return
        with steps.paused():
            generator = trainer.train_loader.generator
            random_state = yolo_state.random_state(generator)
            trainer.metrics, trainer.fitness = self.validate()
            trainer.save_model()
            yolo_state.set_random_state(random_state, generator)
            share = steps.epoch_steps / steps.schedule.length.steps_per_epoch
            self.progress.stopped = self._report(self._record(share))
            trainer.stop |= self.progress.stopped
            self._judged = {}

    # After an epoch

    def end_epoch(self) -> None:
        """Write the state, then report the epoch."""
        trainer, progress = self._trainer, self.progress
        record = self._record()
        steps = trainer.steps
        progress.advance(Elapsed(record.epoch, steps.taken, steps.images, steps.seconds), record)
        if self._class_loss is not None and self._class_loss.scale is not None:
            progress.loss = self._class_loss.record().model_dump(mode="json")
        stopped_within = progress.stopped  # by a validation within this epoch: it is not reported again
        # ultralytics' `stop` is set by the last epoch, the budget and the clock.
        progress.finished = bool(trainer.stop and not stopped_within)
        self._write_state()
        if not stopped_within and self._report(record) and not progress.finished:
            progress.stopped = trainer.stop = True
            self._write_state()

    def _report(self, record: EpochRecord) -> bool:
        """To the harness; its answer, whether to stop, goes to every rank."""
        return self._ranks.broadcast(self._context.on_epoch(record) if self._ranks.first else False)

    def _write_state(self) -> None:
        trainer = self._trainer
        own = {
            "mosaic_buffer": list(trainer.train_loader.dataset.buffer),
            "random": yolo_state.random_state(trainer.train_loader.generator),
        }
        ranks = self._ranks.all_gather(own)
        if not self._ranks.first:
            return
        parts = {
            "model": trainer.model.state_dict(),
            "ema": trainer.ema.ema.state_dict(),
            "ema_updates": trainer.ema.updates,
            "optimizer": trainer.optimizer.state_dict(),
            "scaler": trainer.scaler.state_dict(),
            "csv": trainer.csv.read_text(encoding="utf-8"),
            "ranks": ranks,
            "mosaic_closed": trainer.steps.mosaic_closed,
        }
        yolo_state.write(self._context.workdir, self._terms, self.progress, parts)

    def _record(self, share: float = 1.0) -> EpochRecord:
        """Of the epoch, or of the `share` of it that is over."""
        trainer, steps = self._trainer, self._trainer.steps
        whole = share == 1
        val_losses: dict[str, float] = {}
        val_metrics: dict[str, float] = {}
        if self._judged:
            losses = {key: value for key, value in trainer.metrics.items() if key.startswith("val/")}
            val_losses = self._unweighted(losses)
            native = {_native(key): value for key, value in trainer.metrics.items() if key not in losses}
            val_metrics = {**self._judged, **native}
        return EpochRecord(
            epoch=trainer.epoch + 1,
            share=share,
            epochs=trainer.epoch + 1 if trainer.stop else steps.planned_epochs,
            train_losses=self._unweighted(self._mean(trainer.tloss or {})),
            val_losses=val_losses,
            val_metrics=val_metrics,
            learning_rates={
                group["param_group"]: float(group["lr"]) for group in trainer.optimizer.param_groups
            },
            optimizer_steps=steps.taken,
            images_seen=steps.images + (0 if whole else steps.epoch_images),
            duration_s=time.perf_counter() - self._begun,
            images_per_s=steps.epoch_images / steps.epoch_seconds if whole and steps.epoch_seconds else None,
        )

    def _mean(self, losses: dict[str, Any]) -> dict[str, float]:
        """Over the ranks that have had images, as many each."""
        ranks = self._ranks.all_gather({key: float(value) for key, value in losses.items()})
        known = [one for one in ranks if one]
        return {key: sum(one[key] for one in known) / len(known) for key in known[0]}

    def _unweighted(self, losses: dict[str, Any]) -> dict[str, float]:
        """'val/box_loss' -> 'box', without the gain that ultralytics multiplies it by."""
        found: dict[str, float] = {}
        for key, value in losses.items():
            name = key.rpartition("/")[2].removesuffix("_loss")
            gain = getattr(self._trainer.args, name, 1.0) or 1.0
            found[name] = float(value) / gain
        return found


def _native(key: str) -> str:
    """'metrics/mAP50-95(B)' -> 'native/mAP50-95'."""
    return "native/" + key.removeprefix("metrics/").removesuffix("(B)")
