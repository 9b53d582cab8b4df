"""Every place where ultralytics' trainer calls bench, or bench reaches into it.

It is the trainer that people use, with its recipe and its augmentation, on a layout's images, judged by the
harness. What the hooks do is in `data.py`, `optimiser.py`, `steps.py` and `session.py`. The pinned range of
releases is in pyproject.toml; tests/adapters/yolo/test_hooks.py holds every hook to its signature there.
"""

import math
from copy import copy
from typing import Any

import torch
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.patches import override_configs
from ultralytics.utils.torch_utils import unwrap_model

from bench.adapters.training.budget import Elapsed
from bench.adapters.training.precision import number_format
from bench.adapters.training.ranks import SINGLE_RANK, Ranks
from bench.adapters.training.schedule import STEP_FACTOR
from bench.adapters.yolo import optimiser
from bench.adapters.yolo.data import LayoutDataset, SharedBatches
from bench.adapters.yolo.detections import JudgedValidator
from bench.adapters.yolo.quiet import preserve_threads
from bench.adapters.yolo.schedule import StepSchedule
from bench.adapters.yolo.session import Session
from bench.adapters.yolo.settings import training_args
from bench.adapters.yolo.steps import Steps
from bench.detector import FitContext, Plan
from bench.errors import RecipeError
from bench.feasibility import check_batch
from bench.layout import Example, Layout

EMA_TAU = 2000
"""Steps over which ultralytics' average slows down to its decay (default of ModelEMA)."""


class Trainer(DetectionTrainer):  # type: ignore[misc]  # ultralytics has no types
    """One training, from the start or from a saved state. Its result is in `session`."""

    fitness: float | None

    def __init__(
        self,
        plan: Plan,
        model: DetectionModel,
        layout: Layout,
        context: FitContext,
        terms: dict[str, Any] | None = None,
        ranks: Ranks = SINGLE_RANK,
    ) -> None:
        """`terms`: what a saved state must have in common with this training.

        Each of several `ranks` is a training on one device to ultralytics: its own way to use several starts
        processes that know nothing of this class, and on GPUs alone. Raises RecipeError for a batch that the
        train split can't fill, or a number format that the device does not train in.
        """
        self.plan = plan
        self.recipe = plan.recipe
        self.ranks = ranks
        self.examples: dict[str, list[Example]] = {
            "train": layout.examples("train"),
            "val": layout.examples("val"),
        }
        self.classes = layout.classes
        self.root = layout.root
        check_batch(self.recipe, len(self.examples["train"]))
        schedule = StepSchedule(self.recipe, len(self.examples["train"]))
        self.steps = Steps(self, self.recipe, schedule, ranks)
        self.session = Session(self, plan, layout, context, terms or {}, ranks)
        settings = training_args(
            self.recipe,
            plan.options,
            epochs=schedule.epochs(Elapsed()),
            seed=context.seed,
            device=context.device,
        )
        folder = context.workdir / "ultralytics"
        settings["save_dir"] = str(folder if ranks.first else folder / f"rank-{ranks.number}")
        settings["model"] = f"{plan.variant}.yaml"  # a name for args.yaml: the model itself is handed over
        settings["data"] = str(layout.data_yaml)
        self._half = number_format(self.recipe.amp, context.device, on_cpu=False)
        settings["amp"] = "bf16" if self._half == "bf16" else False  # fp16: see _begin_training
        with preserve_threads():
            super().__init__(overrides=settings)
        self.model = model
        if self.recipe.channels_last:  # ultralytics would on a GPU alone
            self.model.to(memory_format=torch.channels_last)
        if not self.recipe.stages:
            self.args.freeze = optimiser.frozen_layers(schedule.stage(0).freeze, model) or None
        for event, hook in (
            ("on_pretrain_routine_end", self._begin_training),
            ("on_train_epoch_start", self._begin_epoch),
            ("on_train_batch_start", self.steps.set_rates),
            ("on_train_batch_end", self._end_batch),
            ("on_train_epoch_end", self._end_epoch),
            ("on_fit_epoch_end", self.session.end_epoch),
        ):
            self.add_callback(event, lambda trainer, hook=hook: hook())

    # Data

    def get_dataset(self) -> dict[str, Any]:
        """What ultralytics reads from a data.yaml, without its checks, which would fetch a font."""
        return {
            "train": "train",
            "val": "val",
            "nc": len(self.classes),
            "names": dict(enumerate(self.classes)),
            "channels": 3,
            "path": self.root,
        }

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> LayoutDataset:
        """As ultralytics' build_yolo_dataset does; `img_path` is the split's name."""
        return LayoutDataset(
            self.examples[img_path],
            imgsz=self.args.imgsz,
            batch_size=batch,
            augment=mode == "train",
            hyp=self.args,
            rect=mode == "val",
            stride=max(int(self.model.stride.max()), 32),
            pad=0.0,  # as `predict` pads; ultralytics would validate on a larger canvas
            prefix=f"{mode}: ",
            data=self.data,
            rank=self.ranks.number,
        )

    def get_dataloader(
        self, dataset_path: str, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        """All ranks draw the same training batches, and each loads its rows of them.

        ultralytics drops the last, smaller batch of an epoch when it compiles; nobody else does.
        """
        if mode == "val":
            batch_size = max(1, batch_size // self.ranks.size)
        with override_configs(self.args, {"compile": False}):
            loader = super().get_dataloader(dataset_path, batch_size, rank, mode)
        if mode == "train" and self.ranks.size > 1:
            loader.batch_sampler.sampler = SharedBatches(loader.batch_sampler.sampler, self.ranks.rows)
        return loader

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        ready: dict[str, Any] = super().preprocess_batch(self.steps.cut(batch))
        return ready

    # Optimiser

    def build_optimizer(self, model: Any, **settings: Any) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = super().build_optimizer(model, **settings)
        optimiser.regroup(optimizer, model, self.recipe, self.steps.schedule.stages, settings["decay"])
        return optimizer

    def optimizer_step(self) -> None:
        """Called after every batch."""
        self.steps.after_batch()

    # The course of the training

    def _begin_training(self) -> None:
        model = unwrap_model(self.model)
        if self.recipe.compile and model is self.model:
            raise RecipeError(
                "the network can't be compiled on this machine",
                record="train.compile",
                value=True,
                hint="install what torch.compile needs (a C++ compiler, Triton on a GPU), or leave it out",
            )
        if self._half == "fp16":  # switched on only now: ultralytics' own check of it fetches weights
            self.amp = True
            self.scaler = torch.amp.GradScaler(self.device.type)
        decay = self.recipe.ema
        assert decay is not None, "plans are resolved"
        self.ema.decay = lambda updates: decay * (1 - math.exp(-updates / EMA_TAU))
        if self.recipe.schedule == "step":
            ends = [share * self.epochs for share in self.recipe.step_at]
            self.lf = lambda epoch: STEP_FACTOR ** sum(epoch >= end for end in ends)
            self.scheduler.lr_lambdas = [self.lf] * len(self.optimizer.param_groups)
        self.session.resume()
        self.scheduler.last_epoch = self.start_epoch - 1
        self.session.set_class_loss()
        self.ranks.broadcast_parameters(model)

    def _begin_epoch(self) -> None:
        self._oom_retries = 3  # "enough": a batch that does not fit is an error, never silently halved
        self.steps.enter_epoch()
        self.session.begin_epoch()

    def _end_batch(self) -> None:
        self.session.end_batch()
        self.stop |= self.steps.ends_training  # ultralytics leaves the epoch here, validates and ends

    def _end_epoch(self) -> None:
        self.steps.leave_epoch()
        self.args.val = self.session.val_is_due()  # ultralytics validates after the last epoch, too
        self.loss = None  # one that is no number: ultralytics would train the epoch again, beyond the budget

    def get_validator(self) -> JudgedValidator:
        validator = JudgedValidator(
            self.test_loader, save_dir=self.save_dir, args=copy(self.args), _callbacks=self.callbacks
        )
        validator.multi_label = self.plan.options["multi_label"]
        return validator

    def validate(self) -> tuple[dict[str, float], float]:
        """The judge's AP is the fitness; ultralytics' own figures are returned with it."""
        return self.session.validate()

    def save_model(self) -> bool:
        """ultralytics' last.pt every epoch; its best.pt only of an epoch with the best AP so far.

        Its own rule compares the last known fitness, so it would also take an epoch that was not validated.
        """
        if not self.ranks.first:
            return False
        fitness = self.fitness
        self.best, chosen = self.session.choose()
        self.fitness = self.best_fitness if chosen else None
        super().save_model()
        self.fitness = fitness
        return True

    def final_eval(self) -> None:
        """Nothing: the harness predicts with the stored checkpoint itself."""
