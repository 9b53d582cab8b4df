"""The Detector of every family that the loop trains.

CHECKPOINT/
  detector.json         what it takes to build the network again
  model.safetensors     its weights, under the names that the framework's own network has

`fit` writes a second checkpoint, with the weights after the last epoch, to WORKDIR/last.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors.torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError

from bench.adapters.loop import inference, round_trip
from bench.adapters.loop import state as training_state
from bench.adapters.loop import training as loop
from bench.adapters.loop.trainable import Trainable
from bench.adapters.training.checkpoint_info import CheckpointInfo
from bench.adapters.weights.checkpoints import misfits
from bench.detector import Detections, FitContext
from bench.errors import WeightsError
from bench.layout import Example, Layout
from bench.recipe import InputSize, Recipe
from bench.records import Description, TrainingRecord

_log = logging.getLogger(__name__)


class LoopCheckpointInfo(CheckpointInfo):
    """What it takes to build the network again."""

    normalisation: str
    weights_sha256: str | None
    class_map: dict[str, str | None] = Field(default_factory=dict)
    """Of weights that are evaluated without training; see bench.adapters.class_map."""
    others: tuple[str, ...] = ()
    """Classes that the head knows beside `classes`; they are never reported."""

    @property
    def head(self) -> tuple[str, ...]:
        """All that the network's head knows, in its order."""
        return self.classes + self.others


class LoopDetector:
    """A Trainable with the loop behind it."""

    def __init__(self, trainable: Trainable, info: LoopCheckpointInfo, *, device: str) -> None:
        self.trainable = trainable.to(device)
        self.trainable.reported_classes = len(info.classes) if info.others else None
        self.info = info
        self.device = device

    @property
    def input_size(self) -> InputSize:
        return self.info.plan.recipe.input_size

    def describe(self) -> Description:
        plan = self.info.plan
        parameters = list(self.trainable.parameters())
        frozen = set()
        if plan.recipe.backbone_lr == 0:
            frozen = {id(parameter) for parameter in self.trainable.backbone.parameters()}
        return Description(
            family=plan.family,
            variant=plan.variant,
            input_size=self.input_size.long,
            parameters=sum(parameter.numel() for parameter in parameters),
            trainable_parameters=sum(
                p.numel() for p in parameters if p.requires_grad and id(p) not in frozen
            ),
            pretrained_on=plan.pretrained_on,
            weights=None if plan.weights == "none" else plan.weights,
            weights_sha256=self.info.weights_sha256,
            normalisation=self.info.normalisation,
            class_map=self.info.class_map,
        )

    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        examples = layout.examples("train")
        met = self.trainable.adapt_to_data(examples, recipe.input_size)
        loss = None
        if recipe.trains and recipe.loss.changes_classification:
            loss = self.trainable.set_class_loss(recipe.loss, layout.class_counts("train"), len(examples))
            _log.info("class loss: %s", loss.model_dump_json() if loss else "the framework's own")
        options = {**self.info.plan.options, **met.options}
        self.info = self.info.model_copy(update={"plan": replace(self.info.plan, options=options)})
        record = loop.fit(self.trainable, layout, recipe, context)
        if record.epochs:
            self._write_beside(training_state.last_dir(context.workdir))
        return record.model_copy(update={"notes": (*record.notes, *met.notes), "loss": loss})

    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        return inference.predict(
            self.trainable, images, size=self.input_size, batch_size=batch_size, device=self.device
        )

    def disable_augmentation(self) -> None:
        self.trainable.augment = "none"

    def inference_inputs(self, images: Sequence[Path]) -> Iterator[NDArray[np.float64]]:
        return round_trip.inference_inputs(self.trainable, images, self.info.plan.recipe, self.device)

    def training_inputs(self, examples: Sequence[Example]) -> Iterator[NDArray[np.float64]]:
        return round_trip.training_inputs(self.trainable, examples, self.info.plan.recipe, self.device)

    def round_trip(self, examples: Sequence[Example]) -> Iterator[Detections]:
        return round_trip.round_trip(self.trainable, examples, self.info.plan.recipe, self.device)

    def save(self, path: Path) -> None:
        path.mkdir(parents=True)
        training_state.save_weights(self.trainable, path / "model.safetensors")
        self._write_beside(path)

    def _write_beside(self, path: Path) -> None:
        """All of a checkpoint but its tensors."""
        self.trainable.save_beside(path)
        self.info.write(path)


def load_weights(trainable: Trainable, path: Path) -> None:
    """Fill `trainable` from CHECKPOINT/model.safetensors.

    Raises WeightsError naming tensors that do not fit.
    """
    file = path / "model.safetensors"
    try:
        tensors = safetensors.torch.load_file(file)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"can't be read as safetensors: {error}", file=file) from None
    problems = misfits(trainable.state_dict(), tensors)
    if problems:
        raise WeightsError(f"does not fit the model: {'; '.join(problems)}", file=file)
    trainable.load_state_dict(tensors)
