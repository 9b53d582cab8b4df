"""A YOLO that can be trained, asked and kept.

CHECKPOINT/
  best.pt           loads in plain ultralytics: YOLO("CHECKPOINT/best.pt")
  detector.json     what the harness knows about it
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from bench import earlier, files
from bench.adapters.ranks import Ranks
from bench.adapters.weights.published import fingerprint
from bench.adapters.yolo import model as yolo_model
from bench.adapters.yolo import round_trip as yolo_round_trip
from bench.adapters.yolo import state as yolo_state
from bench.adapters.yolo.detections import Predictor
from bench.adapters.yolo.trainer import Trainer
from bench.detector import Detections, FitContext, Plan
from bench.errors import WeightsError
from bench.layout import Example, Layout
from bench.recipe import Recipe
from bench.records import Description, EpochRecord, LossRecord, TrainingRecord

CHOSEN_BY = "AP on val, the harness's judge, of the averaged weights (EMA); kept in half precision"
LAST = "the last epoch: none was validated; the averaged weights (EMA), in half precision"
UNTRAINED = "nothing: no epoch was asked for, the weights are as they came"


class Saved(BaseModel):
    """detector.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: Plan
    classes: tuple[str, ...]
    description: Description


class YoloDetector:
    """See the module's text."""

    def __init__(self, model: Any, saved: Saved, *, device: str) -> None:
        self.model = model
        self.saved = saved
        self.device = device
        self._predictor: Predictor | None = None

    def describe(self) -> Description:
        return self.saved.description

    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        """Train, or go on with what a killed training left, or just take its result if it was done.

        Where `context.world` has several processes, all of them call this, and rank 0 holds the result.
        """
        with Ranks(context.world, context.device) as ranks:
            return self._fit(layout, recipe, context, ranks)

    def _fit(self, layout: Layout, recipe: Recipe, context: FitContext, ranks: Ranks) -> TrainingRecord:
        self._predictor = None
        plan = replace(self.saved.plan, recipe=recipe)
        terms = {
            "recipe": recipe.model_dump(mode="json"),
            "options": dict(plan.options),
            "seed": context.seed,
            "layout": str(layout.root),
        }
        progress, parts = yolo_state.read(context.workdir, terms)
        if progress.epoch and not progress.stopped:
            # The kill may have come before anyone heard of that epoch.
            record = EpochRecord.model_validate(progress.last_epoch)
            stop = ranks.broadcast(context.on_epoch(record) if ranks.first else False)
            progress.stopped = stop and not progress.finished
        wanted = recipe.budget is not None or recipe.epochs > 0
        if wanted and not progress.finished and not progress.stopped:
            trainer = Trainer(plan, self.model, layout, context, terms, ranks)
            if progress.epoch:
                trainer.resume_from(progress, parts)
            trainer.train()
            progress = trainer.progress
        if progress.best_epoch and ranks.first:
            self._take(context.workdir, terms, progress)
        return TrainingRecord(
            epochs=progress.epoch,
            best_epoch=progress.best_epoch,
            best_step=progress.best_step,
            optimizer_steps=progress.optimizer_steps,
            images_seen=progress.images_seen,
            duration_s=progress.duration_s,
            training_s=progress.train_s,
            stopped_early=progress.stopped,
            chosen_by=_chosen_by(progress, judged=context.score_val is not None),
            loss=None if progress.loss is None else LossRecord.model_validate(progress.loss),
        )

    def _take(self, workdir: Path, terms: dict[str, Any], progress: yolo_state.Progress) -> None:
        """The best weights of a training that is done; its folder keeps plain checkpoints of two epochs."""
        self.model = yolo_model.read(yolo_state.best_path(workdir, progress.best_epoch))
        running = yolo_state.running_last_path(workdir)
        if running.is_file():
            with files.replacing(yolo_state.last_path(workdir)) as fresh:
                torch.save(yolo_model.checkpoint(yolo_model.read(running)), fresh)
        yolo_state.close(workdir, terms, progress, yolo_model.checkpoint(self.model))

    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        return self._asked().detect(images, batch_size=batch_size)

    def disable_augmentation(self) -> None:
        self.saved = self.saved.model_copy(
            update={"plan": yolo_round_trip.without_augmentation(self.saved.plan)}
        )

    def inference_inputs(self, images: Sequence[Path]) -> Iterator[NDArray[np.float64]]:
        probe = yolo_round_trip.NetworkProbe(self._asked(), self.model)
        return (probe.network_inputs(path) for path in images)

    def training_inputs(self, examples: Sequence[Example]) -> Iterator[NDArray[np.float64]]:
        return (yolo_round_trip.inside(shown.pixels, shown.frame) for shown in self._steps(examples))

    def round_trip(self, examples: Sequence[Example]) -> Iterator[Detections]:
        probe = yolo_round_trip.NetworkProbe(self._asked(), self.model)
        for example, shown in zip(examples, self._steps(examples), strict=True):
            yield probe.round_trip(example.path, shown)

    def _steps(self, examples: Sequence[Example]) -> Iterator[yolo_round_trip.Shown]:
        return yolo_round_trip.training_steps(
            self.saved.plan, self.model, self.saved.classes, examples, self.device
        )

    def save(self, path: Path) -> None:
        path.mkdir(parents=True)
        with files.replacing(path / "best.pt") as fresh:
            torch.save(yolo_model.checkpoint(self.model), fresh)
        files.write_text(path / "detector.json", self.saved.model_dump_json(indent=2) + "\n")

    def _asked(self) -> Predictor:
        if self._predictor is None:
            plan = self.saved.plan
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


def build(plan: Plan, classes: Sequence[str], *, seed: int, device: str) -> YoloDetector:
    """A detector ready for `fit`."""
    built = yolo_model.build(plan, classes, seed=seed)
    saved = Saved(plan=plan, classes=tuple(classes), description=_description(plan, built))
    return YoloDetector(built.model, saved, device=device)


def load(path: Path, *, device: str) -> YoloDetector:
    """What `YoloDetector.save` wrote. Raises WeightsError for anything else."""
    file = path / "detector.json"
    try:
        saved = earlier.read(Saved, file.read_bytes())
    except FileNotFoundError:
        raise WeightsError("is no detector of ours: it has no detector.json", file=path) from None
    except ValidationError as error:
        raise WeightsError(f"can't be read: {error.errors()[0]['msg']}", file=file) from None
    if saved.plan.family != "yolo":
        raise WeightsError("holds another family, not yolo", file=file, value=saved.plan.family)
    return YoloDetector(yolo_model.read(path / "best.pt"), saved, device=device)


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


def _chosen_by(progress: yolo_state.Progress, *, judged: bool) -> str:
    if not progress.best_epoch:
        return UNTRAINED
    return CHOSEN_BY if judged else LAST
