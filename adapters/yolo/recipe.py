"""ultralytics' own trainer on a layout, obeying the recipe where ultralytics has no word for it."""

import math
from collections.abc import Collection
from typing import Any

import torch
from ultralytics.engine import trainer as engine
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.patches import override_configs
from ultralytics.utils.torch_utils import unwrap_model

from bench.adapters.loop.budget import Spent
from bench.adapters.loop.schedule import STEP_FACTOR
from bench.adapters.loop.stages import ALL_BUT_HEAD, ResolvedStage
from bench.adapters.ranks import ALONE, Ranks
from bench.adapters.yolo.data import LayoutDataset, SharedBatches
from bench.adapters.yolo.pace import Pace
from bench.adapters.yolo.quiet import own_threads
from bench.adapters.yolo.settings import no_such_format, training_args
from bench.detector import FitContext, Plan
from bench.errors import RecipeError
from bench.layout import Example, Layout
from bench.recipe import Part, Recipe

EMA_TAU = 2000
"""Steps over which ultralytics' average slows down to its decay (default of ModelEMA)."""

BACKBONE = "backbone "
"""Begins the names of the parameter groups that have the backbone's rate."""


class RecipeTrainer(DetectionTrainer):  # type: ignore[misc]  # ultralytics has no types
    """What is trained, on what, with which optimiser. Who counts its steps is above it."""

    def __init__(
        self,
        plan: Plan,
        model: DetectionModel,
        layout: Layout,
        context: FitContext,
        ranks: Ranks = ALONE,
    ) -> None:
        """Of several `ranks` each is a training on one device to ultralytics: its own way to use several
        starts processes that know nothing of this class, and on GPUs alone.
        """
        self.ranks = ranks
        self.plan = plan
        self.context = context
        self.recipe = plan.recipe
        self.examples: dict[str, list[Example]] = {
            "train": layout.examples("train"),
            "val": layout.examples("val"),
        }
        self.classes = layout.classes
        self.root = layout.root
        images = len(self.examples["train"])
        _fits(self.recipe, images)
        self.pace = Pace(self.recipe, images)
        settings = training_args(
            self.recipe,
            plan.options,
            epochs=self.pace.epochs(Spent()),
            seed=context.seed,
            device=context.device,
        )
        folder = context.workdir / "ultralytics"
        settings["save_dir"] = str(folder if ranks.first else folder / f"rank-{ranks.number}")
        settings["model"] = f"{plan.variant}.yaml"  # a name for args.yaml: the model itself is handed over
        settings["data"] = str(layout.data_yaml)
        settings["amp"] = amp_word(self.recipe.amp, context.device)
        with own_threads():
            super().__init__(overrides=settings)
        self.model = model

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
        """ultralytics drops the last, smaller batch of an epoch when it compiles; nobody else does.

        All ranks draw the same training batches, and each loads its rows of them.
        """
        if mode == "val":
            batch_size = max(1, batch_size // self.ranks.size)
        with override_configs(self.args, {"compile": False}):
            loader = super().get_dataloader(dataset_path, batch_size, rank, mode)
        if mode == "train" and self.ranks.size > 1:
            loader.batch_sampler.sampler = SharedBatches(loader.batch_sampler.sampler, self.ranks.rows)
        return loader

    def setup_model(self) -> None:
        """The model is there already; freezing needs the number of its backbone's layers."""
        super().setup_model()
        self.backbone_layers = len(self.model.yaml["backbone"])
        self.layers = len(self.model.model)
        if not self.recipe.stages:
            self.args.freeze = self.frozen(self.pace.stretch(0)) or None
        if self.recipe.channels_last:
            self.model.to(memory_format=torch.channels_last)  # ultralytics would on a GPU alone

    def frozen(self, stretch: ResolvedStage) -> list[int]:
        """The layers that do not learn in a stage."""
        return frozen_layers(stretch.freeze, backbone=self.backbone_layers, layers=self.layers)

    def _setup_train(self) -> None:
        super()._setup_train()
        self.ranks.broadcast_parameters(unwrap_model(self.model))
        if self.recipe.compile and unwrap_model(self.model) is self.model:
            raise RecipeError(
                "the network can't be compiled on this machine",
                record="train.compile",
                value=True,
                hint="install what torch.compile needs (a C++ compiler, Triton on a GPU), or leave it out",
            )
        decay = self.recipe.ema
        assert decay is not None, "plans are resolved"
        self.ema.decay = lambda updates: decay * (1 - math.exp(-updates / EMA_TAU))

    def build_optimizer(self, model: Any, **settings: Any) -> torch.optim.Optimizer:
        """ultralytics' groups (weights, norms, biases), each in two where the backbone has its own rate."""
        optimizer: torch.optim.Optimizer = super().build_optimizer(model, **settings)
        if self.recipe.decay_norms:
            for group in optimizer.param_groups:
                group["weight_decay"] = settings["decay"]
        rates = [(stretch.recipe.backbone_lr, stretch.recipe.lr) for stretch in self.pace.row]
        if all(rate in (None, 0, lr) for rate, lr in rates):
            return optimizer
        own = {id(parameter) for parameter in model.model[: self.backbone_layers].parameters()}
        for group in list(optimizer.param_groups):
            backbone = [parameter for parameter in group["params"] if id(parameter) in own]
            group["params"] = [parameter for parameter in group["params"] if id(parameter) not in own]
            name = BACKBONE + group["param_group"]  # so named, its biases warm up from 0, not from 0.1
            optimizer.add_param_group(
                {**group, "params": backbone, "lr": self.recipe.backbone_lr, "param_group": name}
            )
        return optimizer

    def _setup_scheduler(self) -> None:
        if self.recipe.schedule != "step":
            super()._setup_scheduler()
            return
        places = [share * self.epochs for share in self.recipe.step_at]
        self.lf = lambda epoch: STEP_FACTOR ** sum(epoch >= place for place in places)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lr_lambda=self.lf)

    def _build_train_pipeline(self) -> None:
        try:
            super()._build_train_pipeline()
        except ValueError as error:
            if "BatchNorm" not in str(error):  # a last batch of one small picture
                raise
            raise RecipeError(str(error), hint="change batch_size or image_size") from None


def frozen_layers(parts: Collection[Part], *, backbone: int, layers: int) -> list[int]:
    """Indices in a model of so many layers, the backbone's first and the Detect layer, its head, last."""
    if ALL_BUT_HEAD in parts:
        return list(range(layers - 1))
    return list(range(backbone)) if "backbone" in parts else []


def amp_word(asked: bool | str, device: str) -> bool | str:
    """ultralytics' `amp`. `true` is bfloat16 where the GPU has it, else float16, and nothing on a CPU.

    Raises RecipeError for a number format that the device does not train in.
    """
    if not asked or (asked is True and device == "cpu"):
        return False
    bf16 = device != "cpu" and torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu" or (asked == "bf16" and not bf16):
        raise no_such_format(asked, device)
    if asked == "bf16" or (asked is True and bf16):
        return "bf16"
    engine.check_amp = lambda model: True  # it fetches weights for its check
    return True


def _fits(recipe: Recipe, images: int) -> None:
    """Raises RecipeError for a batch or a step that the train split can't fill."""
    for record, size in (
        ("train.batch_size", recipe.batch),
        ("train.batch_size x train.accumulate", recipe.batch * recipe.accumulate),
    ):
        if size > images:
            raise RecipeError(
                f"the train split has {images} pictures only",
                record=record,
                value=size,
                hint="make it smaller",
            )
