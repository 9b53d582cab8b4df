"""ultralytics' own trainer on a layout, obeying the recipe where ultralytics has no word for it."""

from typing import Any

import torch
from ultralytics.engine import trainer as engine
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel

from bench.adapters.yolo.data import LayoutDataset
from bench.adapters.yolo.quiet import own_threads
from bench.adapters.yolo.words import training_args
from bench.detector import FitContext, Plan
from bench.errors import RecipeError
from bench.layout import Example, Layout

STEP_FACTOR = 0.1
"""`step` multiplies the rate by this, as in the other families."""

BACKBONE = "backbone "
"""Begins the names of the parameter groups that have the backbone's rate."""


class RecipeTrainer(DetectionTrainer):  # type: ignore[misc]  # ultralytics has no types
    """What is trained on, and by which steps; when and what is told and kept is `yolo_trainer`'s."""

    def __init__(self, plan: Plan, model: DetectionModel, layout: Layout, context: FitContext) -> None:
        self.plan = plan
        self.recipe = plan.recipe
        self.optimizer_steps = 0
        self.examples: dict[str, list[Example]] = {
            "train": layout.examples("train"),
            "val": layout.examples("val"),
        }
        self.classes = layout.classes
        self.root = layout.root
        words = training_args(self.recipe, plan.options, seed=context.seed, device=context.device)
        words["save_dir"] = str(context.workdir / "ultralytics")
        words["model"] = f"{plan.variant}.yaml"  # a name for args.yaml: the model itself is handed over
        words["data"] = str(layout.data_yaml)
        words["amp"] = amp_word(self.recipe.amp, context.device)
        with own_threads():
            super().__init__(overrides=words)
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
        )

    def setup_model(self) -> None:
        """The model is there already; freezing needs the number of its backbone's layers."""
        super().setup_model()
        if self.recipe.backbone_lr == 0:
            self.args.freeze = list(range(len(self.model.yaml["backbone"])))

    def build_optimizer(self, model: Any, **words: Any) -> torch.optim.Optimizer:
        """ultralytics' groups (weights, norms, biases), each in two where the backbone has its own rate."""
        optimizer: torch.optim.Optimizer = super().build_optimizer(model, **words)
        rate = self.recipe.backbone_lr
        if rate in (None, 0, self.recipe.lr):
            return optimizer
        layers = model.model[: len(model.yaml["backbone"])]
        own = {id(parameter) for parameter in layers.parameters()}
        for group in list(optimizer.param_groups):
            backbone = [parameter for parameter in group["params"] if id(parameter) in own]
            group["params"] = [parameter for parameter in group["params"] if id(parameter) not in own]
            name = BACKBONE + group["param_group"]  # so named, its biases warm up from 0, not from 0.1
            optimizer.add_param_group({**group, "params": backbone, "lr": rate, "param_group": name})
        return optimizer

    def _setup_scheduler(self) -> None:
        if self.recipe.schedule != "step":
            super()._setup_scheduler()
            return
        places = [share * self.epochs for share in self.recipe.step_at]
        self.lf = lambda epoch: STEP_FACTOR ** sum(epoch >= place for place in places)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lr_lambda=self.lf)

    def optimizer_step(self) -> None:
        """ultralytics' step with the recipe's norm in place of its fixed 10."""
        self.scaler.unscale_(self.optimizer)
        if self.recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.ema.update(self.model)
        self.optimizer_steps += 1

    def _build_train_pipeline(self) -> None:
        try:
            super()._build_train_pipeline()
        except ValueError as error:
            if "BatchNorm" not in str(error):  # a last batch of one small picture
                raise
            raise RecipeError(str(error), mend="change batch_size or image_size") from None


def amp_word(asked: bool, device: str) -> bool | str:
    """bfloat16 where the GPU has it: ultralytics takes it without the check for which it fetches weights."""
    if not asked or device == "cpu":
        return False
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    engine.check_amp = lambda model: True
    return True
