"""The Detector of every family that the loop trains: fit, predict, save; and how a saved one is read back.

CHECKPOINT/
  detector.json         what it takes to build the network again
  model.safetensors     its weights
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import safetensors.torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from torch import Tensor

from bench import files
from bench.adapters.loop import inference
from bench.adapters.loop import state as training_state
from bench.adapters.loop import training as loop
from bench.adapters.loop.trainable import Trainable
from bench.detector import Detections, FitContext, Plan
from bench.errors import WeightsError
from bench.layout import Layout
from bench.recipe import Recipe
from bench.records import Description, TrainingRecord


class Saved(BaseModel):
    """detector.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: Plan
    classes: tuple[str, ...]
    normalisation: str
    weights_sha256: str | None


class LoopDetector:
    """A Trainable with the loop behind it."""

    def __init__(self, trainable: Trainable, saved: Saved, *, device: str) -> None:
        self.trainable = trainable.to(device)
        self.saved = saved
        self.device = device

    @property
    def image_size(self) -> int:
        size = self.saved.plan.recipe.image_size
        assert size is not None, "plans are resolved"
        return size

    def describe(self) -> Description:
        plan = self.saved.plan
        parameters = list(self.trainable.parameters())
        frozen = set()
        if plan.recipe.backbone_lr == 0:
            frozen = {id(parameter) for parameter in self.trainable.backbone.parameters()}
        return Description(
            family=plan.family,
            variant=plan.variant,
            input_size=self.image_size,
            parameters=sum(parameter.numel() for parameter in parameters),
            trainable_parameters=sum(
                p.numel() for p in parameters if p.requires_grad and id(p) not in frozen
            ),
            pretrained_on=plan.pretrained_on,
            weights=None if plan.weights == "none" else plan.weights,
            weights_sha256=self.saved.weights_sha256,
            normalisation=self.saved.normalisation,
        )

    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        return loop.fit(self.trainable, layout, recipe, context)

    def predict(self, pictures: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        return inference.predict(
            self.trainable, pictures, image_size=self.image_size, batch_size=batch_size, device=self.device
        )

    def save(self, path: Path) -> None:
        path.mkdir(parents=True)
        training_state.save_weights(self.trainable, path / "model.safetensors")
        self.trainable.save_beside(path)
        files.write_text(path / "detector.json", self.saved.model_dump_json(indent=2) + "\n")


def read_saved(path: Path, family: str) -> Saved:
    """What `LoopDetector.save` wrote about itself. Raises WeightsError for anything else."""
    file = path / "detector.json"
    try:
        saved = Saved.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise WeightsError("is no detector of ours: it has no detector.json", file=path) from None
    except ValidationError as error:
        raise WeightsError(f"can't be read: {error.errors()[0]['msg']}", file=file) from None
    if saved.plan.family != family:
        raise WeightsError(f"holds another family, not {family}", file=file, value=saved.plan.family)
    return saved


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


def misfits(wanted: dict[str, Tensor], offered: dict[str, Tensor]) -> list[str]:
    """Tensors that are missing, of another shape or not wanted, one line each, at most three of a sort."""
    missing = [f"{name} is missing" for name in wanted if name not in offered]
    shapes = [
        f"{name} has shape {tuple(offered[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in offered and offered[name].shape != tensor.shape
    ]
    strange = [f"{name} is not wanted" for name in offered if name not in wanted]
    return [line for sort in (missing, shapes, strange) for line in _few(sort)]


def _few(lines: list[str], most: int = 3) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more"]
