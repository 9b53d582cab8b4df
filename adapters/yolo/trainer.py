"""A training by ultralytics that the harness judges, hears of after every epoch, and can take up again."""

import time
from copy import copy
from typing import Any

import torch
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.torch_utils import unwrap_model

from bench.adapters.ranks import ALONE, Ranks
from bench.adapters.yolo import state as yolo_state
from bench.adapters.yolo.detections import JudgedValidator
from bench.adapters.yolo.loss import ClassLoss, class_loss, put_into
from bench.adapters.yolo.state import OnceBefore, Progress
from bench.adapters.yolo.steps import SteppedTrainer
from bench.detector import Detections, FitContext, Plan
from bench.layout import Layout
from bench.records import EpochRecord


class Trainer(SteppedTrainer):
    """One training, from the start or from a state. `train()` ends with `progress` telling how it went."""

    fitness: float | None

    def __init__(
        self,
        plan: Plan,
        model: DetectionModel,
        layout: Layout,
        context: FitContext,
        terms: dict[str, Any],
        ranks: Ranks = ALONE,
    ) -> None:
        self.terms = terms
        self.progress = Progress()
        self.resumed: dict[str, Any] | None = None
        self.judged: dict[str, float] = {}
        self.layout = layout
        self.class_loss: ClassLoss | None = None
        super().__init__(plan, model, layout, context, ranks)
        self.add_callback("on_pretrain_routine_end", type(self)._switch_loss)
        self.add_callback("on_train_epoch_start", type(self)._begin_epoch)
        self.add_callback("on_train_batch_end", type(self)._validate_within)
        self.add_callback("on_train_epoch_end", type(self)._is_val_due)
        self.add_callback("on_fit_epoch_end", type(self)._end_epoch)

    def resume_from(self, progress: Progress, parts: dict[str, Any]) -> None:
        """Take up a training that was begun elsewhere; before `train()`."""
        self.progress = progress
        self.optimizer_steps = progress.optimizer_steps
        self.images_seen = progress.images_seen
        self.trained_s = progress.train_s
        self.mosaic_closed = progress.mosaic_closed
        self.resumed = parts

    def get_validator(self) -> JudgedValidator:
        validator = JudgedValidator(
            self.test_loader, save_dir=self.save_dir, args=copy(self.args), _callbacks=self.callbacks
        )
        validator.multi_label = self.plan.options["multi_label"]
        return validator

    def resume_training(self, ckpt: Any) -> None:
        """Ours, not ultralytics': see bench.adapters.yolo.state."""
        if self.resumed is None:
            return
        parts = self.resumed
        self.start_epoch = self.progress.epoch
        self.model.load_state_dict(parts["model"])
        self.ema.ema.load_state_dict(parts["ema"])
        self.ema.updates = parts["ema_updates"]
        for saved, group in zip(parts["optimizer"]["param_groups"], self.optimizer.param_groups, strict=True):
            saved["fused"] = group.get("fused")  # of this device, not of the one that saved it
        self.optimizer.load_state_dict(parts["optimizer"])
        self.scaler.load_state_dict(parts["scaler"])
        self.best_fitness = self.progress.best_ap if self.progress.best_epoch else None
        self.csv.write_text(parts["csv"], encoding="utf-8")
        if hasattr(
            self.model.model[-1], "one2one_cv2"
        ):  # two heads, whose losses trade weight epoch by epoch
            self.model.criterion = self.model.init_criterion()
            self.model.criterion.updates = self.start_epoch - 1
            self.model.criterion.update()
        repeat = self.train_loader.batch_sampler
        repeat.sampler = OnceBefore(repeat.sampler, lambda: self._restore_chance(parts))
        self.resumed = None

    def _restore_chance(self, parts: dict[str, Any]) -> None:
        generator = self.train_loader.generator
        own = parts["ranks"][self.ranks.number]
        self.train_loader.dataset.refill(own["mosaic_buffer"])
        self.train_loader.dataset.apart()
        yolo_state.set_random_state(own["random"], generator)
        # What an uninterrupted training draws from the loader's generator between the state and this order:
        if self.args.close_mosaic and self.start_epoch == self.epochs - self.args.close_mosaic:
            torch.empty((), dtype=torch.int64).random_(generator=generator)  # a new iterator's seed
        elif len(self.train_loader.dataset) % self.batch_size == 0:
            torch.randperm(len(self.train_loader.dataset), generator=generator)  # RandomSampler's empty rest

    def _switch_loss(self) -> None:
        """The model and its average, which is validated, share the criterion; no checkpoint keeps it."""
        told = self.progress.loss
        scale = None if told is None else float(told["scale"])
        self.class_loss = class_loss(self.recipe.loss, self.layout, scale, self.ranks.all_reduce)
        if self.class_loss is None:
            return
        model = unwrap_model(self.model)
        if getattr(model, "criterion", None) is None:  # two heads that are resumed have theirs
            model.criterion = model.init_criterion()
        put_into(model.criterion, self.class_loss)
        self.ema.ema.criterion = model.criterion

    def _begin_epoch(self) -> None:
        self.begun = time.perf_counter()
        self.judged = {}
        self.args.val = False
        self._oom_retries = 3  # "enough": a batch that does not fit is an error, never silently halved

    def validate(self) -> tuple[dict[str, float], float]:
        """The judge's AP is the fitness; ultralytics' own figures stand beside it.

        Nothing where nobody judges, on a rank that does not, and where the same weights have been judged.
        """
        if self.context.score_val is None or not self.ranks.first or self.progress.stopped:
            return self.metrics, 0.0
        native: dict[str, float] = self.validator(self)
        native.pop("fitness", None)
        found = self.validator.found
        none = Detections.none()
        self.judged = self.context.score_val([found.get(str(e.path), none) for e in self.examples["val"]])
        fitness = self.judged["AP"]
        if self.best_fitness is None or fitness > self.best_fitness:
            self.best_fitness = fitness
        return native, fitness

    def save_model(self) -> bool:
        """ultralytics' last.pt every epoch; its best.pt only of one that was judged better than all before.

        Its own rule compares the last known fitness, so it would also take an epoch that was not validated.
        Where nobody judges, the last epoch takes the place of the best.
        """
        if not self.ranks.first:
            return False
        fitness = self.fitness
        unjudged = self.context.score_val is None
        better = unjudged or (bool(self.judged) and self.judged["AP"] > self.progress.best_ap)
        self.best = yolo_state.best_path(self.context.workdir, self.epoch + 1)
        self.fitness = self.best_fitness if better else None
        super().save_model()
        self.fitness = fitness
        if better:
            self.progress.best_ap = self.judged.get("AP", self.progress.best_ap)
            self.progress.best_epoch = self.epoch + 1
            self.progress.best_step = self.optimizer_steps
        return True

    def _is_val_due(self) -> None:
        """At the end of this epoch; ultralytics adds the last one."""
        due = self.recipe.val_after_epoch(self.epoch + 1, self.optimizer_steps)
        self.args.val = due and self.context.score_val is not None

    def _validate_within(self) -> None:
        """After an optimiser step, where one is due that does not end the epoch.

        What ultralytics' validation draws of chance is put back, so that it leaves no trace in the training.
        """
        due = self.stepped and self.recipe.val_after_step(self.optimizer_steps)
        if not due or self.over or self.context.score_val is None:
            return
        paused = time.perf_counter()
        generator = self.train_loader.generator
        chances = yolo_state.random_state(generator)
        self.metrics, self.fitness = self.validate()
        self.save_model()
        yolo_state.set_random_state(chances, generator)
        share = self.steps_done / self.pace.length.steps_in_epoch
        self.progress.stopped = self._tell(self._record(share))
        self.stop = self.stop or self.progress.stopped
        self.judged = {}
        assert self.clock is not None, "an epoch is under way"
        self.clock += time.perf_counter() - paused

    def _end_epoch(self) -> None:
        """Write the state, then tell the harness."""
        record = self._record()
        progress = self.progress
        progress.epoch = record.epoch
        progress.optimizer_steps = record.optimizer_steps
        progress.images_seen = record.images_seen
        progress.duration_s += record.duration_s
        progress.train_s = self.trained_s
        progress.mosaic_closed = self.mosaic_closed
        within = progress.stopped
        progress.finished = bool(
            self.stop and not within
        )  # ultralytics has it from the last epoch, the budget and the clock
        progress.last_epoch = record.model_dump(mode="json")
        if self.class_loss is not None and self.class_loss.scale is not None:
            progress.loss = self.class_loss.record().model_dump(mode="json")
        self._write_state()
        if within:  # a validation within this epoch has ended the training: nobody asks again
            return
        if self._tell(record) and not progress.finished:
            progress.stopped = True
            self.stop = True
            self._write_state()

    def _tell(self, record: EpochRecord) -> bool:
        """What the harness says to an epoch, to every rank: whether to stop."""
        return self.ranks.broadcast(self.context.on_epoch(record) if self.ranks.first else False)

    def _write_state(self) -> None:
        chances = {
            "mosaic_buffer": list(self.train_loader.dataset.buffer),
            "random": yolo_state.random_state(self.train_loader.generator),
        }
        of_all = self.ranks.all_gather(chances)
        if not self.ranks.first:
            return
        parts = {
            "model": self.model.state_dict(),
            "ema": self.ema.ema.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "csv": self.csv.read_text(encoding="utf-8"),
            "ranks": of_all,
        }
        yolo_state.write(self.context.workdir, self.terms, self.progress, parts)

    def _record(self, share: float = 1.0) -> EpochRecord:
        native = {key: value for key, value in self.metrics.items() if not key.startswith("val/")}
        losses = {key: value for key, value in self.metrics.items() if key.startswith("val/")}
        return EpochRecord(
            epoch=self.epoch + 1,
            share=share,
            epochs=self.epoch + 1 if self.stop else self.planned_epochs,
            train_losses=self._unweighted(self._mean(self.tloss or {})),
            val_losses=self._unweighted(losses) if self.judged else {},
            val_metrics={**self.judged, **{_native(key): value for key, value in native.items()}}
            if self.judged
            else {},
            learning_rates={
                group["param_group"]: float(group["lr"]) for group in self.optimizer.param_groups
            },
            optimizer_steps=self.optimizer_steps,
            images_seen=self.images_seen + (self.seen if share < 1 else 0),
            duration_s=time.perf_counter() - self.begun,
            images_per_s=self.seen / self.epoch_s if share == 1 and self.epoch_s else None,
        )

    def _mean(self, losses: dict[str, Any]) -> dict[str, float]:
        """Over the ranks that have had pictures, as many each."""
        everyone = self.ranks.all_gather({key: float(value) for key, value in losses.items()})
        told = [one for one in everyone if one]
        return {key: sum(one[key] for one in told) / len(told) for key in told[0]}

    def _unweighted(self, losses: dict[str, Any]) -> dict[str, float]:
        """'val/box_loss' -> 'box', without the gain that ultralytics multiplies it by."""
        found: dict[str, float] = {}
        for key, value in losses.items():
            name = key.rpartition("/")[2].removesuffix("_loss")
            gain = getattr(self.args, name, 1.0) or 1.0
            found[name] = float(value) / gain
        return found

    def final_eval(self) -> None:
        """Nothing: the harness predicts with the stored checkpoint itself."""


def _native(key: str) -> str:
    """'metrics/mAP50-95(B)' -> 'native/mAP50-95'."""
    return "native/" + key.removeprefix("metrics/").removesuffix("(B)")
