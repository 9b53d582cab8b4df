"""A YOLO that can be trained, used and stored.

CHECKPOINT/
  best.pt           loads in plain ultralytics: YOLO("CHECKPOINT/best.pt")
  detector.json     what bench needs beside it
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench import files
from bench.adapters.training.checkpoint_info import CheckpointInfo
from bench.adapters.training.ranks import Ranks
from bench.adapters.training.state import Progress
from bench.adapters.weights.published import fingerprint
from bench.adapters.yolo import model as yolo_model
from bench.adapters.yolo import round_trip as yolo_round_trip
from bench.adapters.yolo import state as yolo_state
from bench.adapters.yolo.detections import Predictor
from bench.adapters.yolo.native import NATIVE_NOTES
from bench.adapters.yolo.trainer import Trainer
from bench.detector import Detections, FitContext, Plan
from bench.errors import RecipeError
from bench.layout import Example, Layout
from bench.recipe import Recipe
from bench.records import Description, EpochRecord, LossRecord, TrainingRecord

CHOSEN_BY = "AP on val, the harness's judge, of the averaged weights (EMA); kept in half precision"
LAST = "the last epoch: none was validated; the averaged weights (EMA), in half precision"
UNTRAINED = "nothing was trained: the weights as they came"


class YoloCheckpointInfo(CheckpointInfo):
    """Its network is in the .pt file whole; what `describe` answers is known when it is built."""

    description: Description


class YoloDetector:
    """See the module's text."""

    def __init__(self, model: Any, info: YoloCheckpointInfo, *, device: str) -> None:
        self.model = model
        self.info = info
        self.device = device
        self._predictor: Predictor | None = None

    def describe(self) -> Description:
        return self.info.description

    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        """Train, or resume a killed training, or take the result of a finished one.

        Where `context.world` has several processes, all of them call this, and rank 0 holds the result.
        """
        with Ranks(context.world, context.device) as ranks:
            return self._fit(layout, recipe, context, ranks)

    def _fit(self, layout: Layout, recipe: Recipe, context: FitContext, ranks: Ranks) -> TrainingRecord:
        self._predictor = None
        plan = replace(self.info.plan, recipe=recipe)
        terms = {
            "recipe": recipe.model_dump(mode="json"),
            "options": dict(plan.options),
            "seed": context.seed,
            "layout": str(layout.root),
        }
        progress, parts = yolo_state.read(context.workdir, terms)
        if progress.epoch and not progress.stopped:
            # The kill may have come before the epoch was reported.
            record = EpochRecord.model_validate(progress.last_epoch)
            stop = ranks.broadcast(context.on_epoch(record) if ranks.first else False)
            progress.stopped = stop and not progress.finished
        if (recipe.budget or recipe.epochs) and not progress.finished and not progress.stopped:
            progress = _train(Trainer(plan, self.model, layout, context, terms, ranks), progress, parts)
        if progress.best_epoch and ranks.first:
            self._load_best(context.workdir, terms, progress)
        trained = progress.record(_chosen_by(progress, judged=context.score_val is not None))
        loss = None if progress.loss is None else LossRecord.model_validate(progress.loss)
        return trained.model_copy(update={"loss": loss, "native_notes": NATIVE_NOTES})

    def _load_best(self, workdir: Path, terms: dict[str, Any], progress: Progress) -> None:
        """After a training. Its folder keeps plain checkpoints of the best and the last epoch."""
        self.model = yolo_model.read(yolo_state.best_path(workdir, progress.best_epoch))
        running = yolo_state.running_last_path(workdir)
        if running.is_file():
            with files.replacing(yolo_state.last_path(workdir)) as fresh:
                torch.save(yolo_model.checkpoint(yolo_model.read(running)), fresh)
        yolo_state.close(workdir, terms, progress, yolo_model.checkpoint(self.model))

    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        return self._ready_predictor().detect(images, batch_size=batch_size)

    def disable_augmentation(self) -> None:
        self.info = self.info.model_copy(
            update={"plan": yolo_round_trip.without_augmentation(self.info.plan)}
        )

    def inference_inputs(self, images: Sequence[Path]) -> Iterator[NDArray[np.float64]]:
        probe = yolo_round_trip.OraclePredictor(self._ready_predictor(), self.model)
        return (probe.network_inputs(path) for path in images)

    def training_inputs(self, examples: Sequence[Example]) -> Iterator[NDArray[np.float64]]:
        return (yolo_round_trip.inside(shown.pixels, shown.area) for shown in self._steps(examples))

    def round_trip(self, examples: Sequence[Example]) -> Iterator[Detections]:
        probe = yolo_round_trip.OraclePredictor(self._ready_predictor(), self.model)
        for example, shown in zip(examples, self._steps(examples), strict=True):
            yield probe.round_trip(example.path, shown)

    def _steps(self, examples: Sequence[Example]) -> Iterator[yolo_round_trip.TrainingInput]:
        return yolo_round_trip.training_steps(
            self.info.plan, self.model, self.info.classes, examples, self.device
        )

    def save(self, path: Path) -> None:
        path.mkdir(parents=True)
        with files.replacing(path / "best.pt") as fresh:
            torch.save(yolo_model.checkpoint(self.model), fresh)
        self.info.write(path)

    def _ready_predictor(self) -> Predictor:
        if self._predictor is None:
            plan = self.info.plan
            size = plan.recipe.long_side
            assert size is not None, "plans are resolved"
            self._predictor = Predictor(
                self.model,
                image_size=size,
                iou=plan.options["iou"],
                multi_label=plan.options["multi_label"],
                device=self.device,
            )
        return self._predictor


def _train(trainer: Trainer, progress: Progress, parts: dict[str, Any]) -> Progress:
    if progress.epoch:
        trainer.session.resume_from(progress, parts)
    try:
        trainer.train()
    except ValueError as error:
        if "BatchNorm" not in str(error):  # a last batch of one small image
            raise
        raise RecipeError(str(error), hint="change batch_size or image_size") from None
    return trainer.session.progress


def build(plan: Plan, classes: Sequence[str], *, seed: int, device: str) -> YoloDetector:
    """A detector ready for `fit`."""
    built = yolo_model.build(plan, classes, seed=seed)
    info = YoloCheckpointInfo(plan=plan, classes=tuple(classes), description=_description(plan, built))
    return YoloDetector(built.model, info, device=device)


def load(path: Path, *, device: str) -> YoloDetector:
    """What `YoloDetector.save` wrote. Raises WeightsError for anything else."""
    info = YoloCheckpointInfo.read(path, "yolo")
    return YoloDetector(yolo_model.read(path / "best.pt"), info, device=device)


def _description(plan: Plan, built: yolo_model.Built) -> Description:
    layers = built.model.model
    fixed = list(layers[-1].dfl.parameters())  # ultralytics never trains it
    if plan.recipe.backbone_lr == 0:
        fixed += list(layers[: len(built.model.yaml["backbone"])].parameters())
    parameters = sum(parameter.numel() for parameter in built.model.parameters())
    origin = plan.pretrained_on
    if plan.weights != "none":
        origin += f"; {built.carried_over} of {built.tensors} tensors carried over"
    return Description(
        family=plan.family,
        variant=Path(plan.variant).stem,
        input_size=plan.recipe.input_size.long,
        parameters=parameters,
        trainable_parameters=parameters - sum(parameter.numel() for parameter in fixed),
        pretrained_on=origin,
        weights=None if plan.weights == "none" else plan.weights,
        weights_sha256=None if plan.weights == "none" else fingerprint(Path(plan.weights)),
        normalisation="batch norm, trained",
        class_map=built.class_map.named() if built.class_map else {},
    )


def _chosen_by(progress: Progress, *, judged: bool) -> str:
    if not progress.best_epoch:
        return UNTRAINED
    return CHOSEN_BY if judged else LAST
