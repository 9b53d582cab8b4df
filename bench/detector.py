"""What every model is to the harness: four methods, and a family that plans and builds it.

    family = registry.family("frcnn")
    plan = family.plan(variant="tiny", weights="none", options={}, recipe=Recipe(epochs=20))
    detector = family.build(plan, classes=layout.classes, seed=0)
    training = detector.fit(layout, plan.recipe, context)
    for picture, found in zip(pictures, detector.predict(pictures, batch_size=8)): ...

A detector computes no metrics, prints nothing, and writes only below the folder it is given.
`bench.conformance.check_family` tells a new one whether it keeps this contract.
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
"""Detections kept a picture, over all classes and for every family. COCO judges at most so many a class."""

SCORE_FLOOR = 0.001
"""Lowest score kept, the same for every family: mAP needs the tail, files need an end."""


@dataclass(frozen=True)
class Detections:
    """What was found in one picture, best score first, in pixels of the picture as it lies on disk."""

    boxes_xyxy: Boxes  # (N, 4) float64
    scores: NDArray[np.float64]  # (N,) in 0..1
    labels: NDArray[np.int64]  # (N,) class indices

    @classmethod
    def none(cls) -> "Detections":
        """Nothing found."""
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
    """A model as it will be trained, nothing left open. It travels to the cell's process as JSON."""

    family: str
    variant: str
    weights: str  # 'none', or the path of a local file or folder
    options: Mapping[str, Any]  # the family's own words, resolved
    recipe: Recipe  # resolved: no None where the word applies
    pretrained_on: str = "nothing"
    ledger: tuple[LedgerEntry, ...] = ()


@dataclass(frozen=True)
class World:
    """One process among those that train a model together, each on a device of its own."""

    rank: int = 0
    """From 0. Rank 0 alone judges, tells and writes."""
    size: int = 1
    rendezvous: Path | None = None
    """A file, not there yet, through which they find each other; None for one alone."""


@dataclass(frozen=True)
class FitContext:
    """What the harness lends to a training."""

    workdir: Path
    """The only folder that the detector may write to. What a killed training left there is taken up again."""
    seed: int
    device: str
    """'cpu' or 'cuda:N'."""
    score_val: Callable[[Sequence[Detections]], dict[str, float]] | None
    """The judge on val: detections in the order of `layout.examples("val")` -> AP, AP50, AP75, AR_100,
    and AP_rare where val has boxes of rare classes.

    None where nothing is to be chosen, as val is trained on too: no validation, and the last weights stay."""
    on_epoch: Callable[[EpochRecord], bool]
    """Hears of every epoch, once its state is safe in `workdir`; True says stop.

    A training that is taken up may tell its last finished epoch again: the kill may have come in between."""
    on_step: Callable[[int, int], None] = field(default=lambda done, total: None)
    """Hears of every optimiser step of the epoch under way."""
    world: World = World()
    """Always one alone, unless the family says `several_devices`."""


@runtime_checkable
class Detector(Protocol):
    """A model that can be trained, asked and kept."""

    def describe(self) -> Description:
        """What it is: family, variant, parameters, input size, origin of its weights."""
        ...

    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        """Train on `train`, choose on `val`; afterwards the detector holds the chosen weights.

        Without `context.score_val` it holds the last ones.

        Never reads `test`. Same seed, same device: same result.
        Raises RecipeError for a word it can't follow.
        """
        ...

    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        """One Detections a picture, in order, as they are ready (no more than a batch is held)."""
        ...

    def save(self, path: Path) -> None:
        """Write everything that `Family.load` needs into the new folder `path`."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A detector that lets the gates look at its two ends. A plug-in that does not is gated less."""

    def disable_augmentation(self) -> None:
        """From now on no random change of training pictures, but by the recipe's `flip` and `multi_scale`."""
        ...

    def inference_inputs(self, images: Sequence[Path]) -> Iterator[NDArray[np.float64]]:
        """What the network sees of each picture in `predict`: (H, W, 3) RGB in 0..1, before normalisation,
        without padding."""
        ...

    def training_inputs(self, examples: Sequence[Example]) -> Iterator[NDArray[np.float64]]:
        """The same of what `fit` feeds to the network, without any random change."""
        ...

    def round_trip(self, examples: Sequence[Example]) -> Iterator[Detections]:
        """The ground truth through the detector's own preprocessing, training targets, box decoding and
        post-processing, as if the network were perfect: what `predict` would find; scores are 1 or nearly."""
        ...


@runtime_checkable
class ChecksPlan(Protocol):
    """A family that can tell from the data that a plan can't be followed, before anything is written."""

    def check(self, plan: Plan, *, classes: Sequence[str], images: Sequence[Example], device: str) -> None:
        """Cheap, as `plan` is. `images` are all that will be trained on; `device` is 'cpu' or 'cuda:N'.

        Raises RecipeError, ConfigError or WeightsError. What is right here may still fail in `fit`.
        """
        ...


class Family(Protocol):
    """A kind of detector: which variants there are, what they train with, how one is made.

    Importing a family must be cheap (no torch): it is asked to plan before any process is started.
    """

    name: str
    variants: Mapping[str, str]
    """Name -> one line about it. The first is the default.

    A family that trains in several processes, one a device, each with `fit` called and `context.world` saying
    which it is, has `several_devices = True` beside this: its batches are then those of all of them together.
    """

    def plan(
        self, *, variant: str | None, weights: str | None, options: Mapping[str, Any], recipe: Recipe
    ) -> Plan:
        """Fill in what is open and check all of it, before anything is written.

        `weights` is 'pretrained', 'none', a path, or None for the variant's usual ones.
        Raises ConfigError, RecipeError or WeightsError.
        """
        ...

    def build(self, plan: Plan, *, classes: Sequence[str], seed: int, device: str) -> Detector:
        """A detector ready for `fit`; a new class head where the weights know other classes."""
        ...

    def load(self, path: Path, *, device: str) -> Detector:
        """The detector that `Detector.save` wrote."""
        ...
