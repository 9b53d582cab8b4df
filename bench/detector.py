"""The contract of a detector: four methods, and a family that plans and builds it.

    family = registry.family("frcnn")
    plan = family.plan(variant="tiny", weights="none", options={}, recipe=Recipe(epochs=20))
    detector = family.build(plan, classes=layout.classes, seed=0)
    training = detector.fit(layout, plan.recipe, context)
    for image, detections in zip(images, detector.predict(images, batch_size=8)): ...

A detector computes no metrics, prints nothing, and writes only below the folder it is given.
`bench.conformance.check_family` checks that a new one fulfils this contract.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bench.boxes import Boxes, empty
from bench.layout import Example, Layout
from bench.recipe import Recipe
from bench.records import Description, EpochRecord, LedgerEntry, TrainingRecord

MAX_DETECTIONS = 100
"""Detections kept for an image, over all classes, in every family. COCO judges at most 100 of each class."""

SCORE_FLOOR = 0.001
"""Lowest score kept, the same in every family: low enough for mAP, high enough for small files."""


@dataclass(frozen=True)
class Detections:
    """The detections in one image, best score first, in pixels of the image on disk."""

    boxes_xyxy: Boxes  # (N, 4) float64
    scores: NDArray[np.float64]  # (N,) in 0..1
    labels: NDArray[np.int64]  # (N,) class indices

    @classmethod
    def none(cls) -> "Detections":
        """No detections."""
        return cls(empty(), np.zeros(0), np.zeros(0, dtype=np.int64))

    @classmethod
    def best(cls, boxes_xyxy: Any, scores: Any, labels: Any) -> "Detections":
        """From array-likes in any order: at least SCORE_FLOOR, at most MAX_DETECTIONS, best first.

        Equal scores keep their order, so the result is the same on every machine.
        """
        boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
        score = np.asarray(scores, dtype=np.float64).reshape(-1)
        label = np.asarray(labels, dtype=np.int64).reshape(-1)
        order = np.argsort(-score, kind="stable")
        order = order[score[order] >= SCORE_FLOOR][:MAX_DETECTIONS]
        return cls(boxes[order], score[order], label[order])


@dataclass(frozen=True)
class Plan:
    """A model as it will be trained, with every setting resolved. The cell's process gets it as JSON."""

    family: str
    variant: str
    weights: str  # 'none', or the path of a local file or folder
    options: Mapping[str, Any]  # the family's own settings, resolved
    recipe: Recipe  # resolved: no None where the setting applies
    pretrained_on: str = "nothing"
    ledger: tuple[LedgerEntry, ...] = ()


@dataclass(frozen=True)
class World:
    """One of the processes that train a model together, each on its own device."""

    rank: int = 0
    """From 0. Only rank 0 validates, reports and writes."""
    size: int = 1
    rendezvous: Path | None = None
    """A file that does not exist yet, through which the processes find each other; None for a single one."""


@dataclass(frozen=True)
class FitContext:
    """What the harness provides for a training."""

    workdir: Path
    """The only folder that the detector may write to, and from which it resumes an interrupted training."""
    seed: int
    device: str
    """'cpu' or 'cuda:N'."""
    score_val: Callable[[Sequence[Detections]], dict[str, float]] | None
    """Scores detections on val, in the order of `layout.examples("val")`: AP, AP50, AP75, AR_100, and AP_rare
    where val has boxes of rare classes.

    None if val is trained on too: then there is no validation, and the last weights are kept."""
    on_epoch: Callable[[EpochRecord], bool]
    """Called after every epoch, once its state is saved in `workdir`; True means stop.

    A resumed training may report its last finished epoch again."""
    on_step: Callable[[int, int], None] = field(default=lambda done, total: None)
    """Called after every optimiser step: steps done in this epoch, and steps in the epoch."""
    world: World = World()
    """A single process, unless the family has `several_devices`."""


@runtime_checkable
class Detector(Protocol):
    """A model that can be trained, used for prediction and saved."""

    def describe(self) -> Description:
        """Family, variant, parameters, input size, origin of the weights."""
        ...

    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        """Train on `train`, choose the checkpoint on `val`, and hold its weights afterwards.

        Without `context.score_val`, hold the last weights. Never read `test`. Equal seeds on one device give
        equal results. Raises RecipeError for a setting that it can't follow.
        """
        ...

    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        """One Detections for each image, in order, lazily: no more than one batch is held in memory."""
        ...

    def save(self, path: Path) -> None:
        """Write everything that `Family.load` needs into the new folder `path`."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A detector whose inputs and outputs the gates can inspect. Other detectors skip some of the gates."""

    def disable_augmentation(self) -> None:
        """Turn off random changes of training images, except the recipe's `flip` and `multi_scale`."""
        ...

    def inference_inputs(self, images: Sequence[Path]) -> Iterator[NDArray[np.float64]]:
        """The network's input for each image in `predict`: (H, W, 3) RGB in 0..1, before normalisation,
        without padding."""
        ...

    def training_inputs(self, examples: Sequence[Example]) -> Iterator[NDArray[np.float64]]:
        """The same for `fit`, without random changes."""
        ...

    def round_trip(self, examples: Sequence[Example]) -> Iterator[Detections]:
        """What `predict` would give if the network were perfect: the ground truth after the detector's own
        preprocessing, training targets, box decoding and post-processing. Scores are 1 or close to it."""
        ...


@runtime_checkable
class ChecksPlan(Protocol):
    """A family that can check a plan against the data before anything is written."""

    def check(self, plan: Plan, *, classes: Sequence[str], images: Sequence[Example], device: str) -> None:
        """Raise RecipeError, ConfigError or WeightsError if the plan can't be followed on this data.

        Must be cheap, as `plan` is. `images` are all training images; `device` is 'cpu' or 'cuda:N'.
        """
        ...


class Family(Protocol):
    """A kind of detector: its variants, how each is planned, built and loaded.

    Importing a family must be cheap (no torch): plans are made before any process is started.
    """

    name: str
    variants: Mapping[str, str]
    """Name -> one line about it. The first is the default.

    A family that can train in several processes, one for each device, also has `several_devices = True`.
    `fit` is then called in each process, with its rank in `context.world`; a batch is the total over all.
    """

    def plan(
        self, *, variant: str | None, weights: str | None, options: Mapping[str, Any], recipe: Recipe
    ) -> Plan:
        """Resolve every setting and check it, before anything is written.

        `weights` is 'pretrained', 'none', a path, or None for the variant's default.
        Raises ConfigError, RecipeError or WeightsError.
        """
        ...

    def build(self, plan: Plan, *, classes: Sequence[str], seed: int, device: str) -> Detector:
        """A detector ready for `fit`, with a new class head if the weights have other classes."""
        ...

    def load(self, path: Path, *, device: str) -> Detector:
        """The detector that `Detector.save` wrote."""
        ...
