"""The record of a cell: typed and versioned. Tables, figures and reports read only records.

A figure that is not defined (AP of a class without ground truth) is `None`, never -1 or NaN.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LedgerEntry(Frozen):
    """A setting that a detector did not follow: what was asked for, what was used instead, and why."""

    setting: str
    asked: str
    used: str
    why: str


class Description(Frozen):
    """What a detector is."""

    family: str
    variant: str
    input_size: int = Field(description="long side of the network's input in pixels")
    parameters: int
    trainable_parameters: int
    pretrained_on: str = Field(description="training data of the initial weights; 'nothing' for random ones")
    weights: str | None = Field(description="file of the initial weights")
    weights_sha256: str | None = None
    normalisation: str = Field(description="kind of the backbone's norm layers, which depends on the weights")
    class_map: dict[str, str | None] = Field(
        default_factory=dict,
        description="for weights judged without training: our classes -> theirs, or None",
    )


class EpochRecord(Frozen):
    """One epoch. Losses are means over the epoch by component, before their coefficients."""

    epoch: int = Field(description="from 1")
    share: float = Field(
        1.0,
        description="of the epoch; less than 1 for a validation within it, with the figures so far",
    )
    epochs: int = Field(description="planned number of epochs")
    train_losses: dict[str, float]
    val_losses: dict[str, float] = Field(default_factory=dict)
    val_metrics: dict[str, float] = Field(
        default_factory=dict,
        description="from `FitContext.score_val`: AP, AP50 ...; empty without validation",
    )
    learning_rates: dict[str, float] = Field(default_factory=dict, description="by group, at the epoch's end")
    optimizer_steps: int = Field(description="since the start of the training")
    images_seen: int = Field(description="since the start of the training")
    duration_s: float
    images_per_s: float | None = Field(None, description="in training, without validation")
    peak_memory_mib: float | None = Field(
        None, description="largest resident memory of the process so far; filled in by the harness"
    )


class LossRecord(Frozen):
    """The class loss, where it was not the framework's own. See docs/losses.md."""

    train_counts: dict[str, int] = Field(description="train boxes by class, without crowds")
    class_weights: dict[str, float] = Field(description="as used, by class")
    background_weight: float = Field(
        description="weight of an example without an object; one with an object has 1"
    )
    scale: float = Field(description="s: scales the loss to that of `standard` at the start of training")
    normalised: bool = Field(description="false: the textbook formula, without scale")
    formula: str = Field(description="in one line")


class TrainingRecord(Frozen):
    """The result of a training and its cost."""

    epochs: int
    best_epoch: int = Field(
        description="whose checkpoint is judged; chosen on val; 0 if there was no training"
    )
    best_step: int | None = Field(
        None, description="optimiser steps before that checkpoint, which may lie within its epoch"
    )
    optimizer_steps: int
    images_seen: int
    duration_s: float = Field(description="wall seconds with validation, summed over interruptions")
    training_s: float | None = Field(None, description="the same without validation")
    peak_memory_mib: float | None = Field(None, description="resident memory of the training's process")
    peak_gpu_memory_mib: float | None = None
    stopped_early: bool
    chosen_by: str = Field(description="the val metric that chose the best epoch, and whose implementation")
    notes: tuple[LedgerEntry, ...] = Field(
        default=(), description="for the ledger: what only the training images could show"
    )
    loss: LossRecord | None = Field(None, description="None: the framework's own class loss")
    native_notes: tuple[LedgerEntry, ...] = Field(
        (), description="how the framework's own metrics (`used`) differ from bench's (`asked`)"
    )


class CocoFigures(Frozen):
    """COCO's twelve, in COCO's order (pycocotools COCOeval.stats)."""

    AP: float | None
    AP50: float | None
    AP75: float | None
    AP_small: float | None
    AP_medium: float | None
    AP_large: float | None
    AR_1: float | None
    AR_10: float | None
    AR_100: float | None
    AR_small: float | None
    AR_medium: float | None
    AR_large: float | None


class ClassFigures(Frozen):
    """One class on one split. AP and AR are over IoU .50:.95, with at most 100 detections in an image."""

    name: str
    ground_truths: int = Field(description="boxes of this class, without crowds")
    detections: int = Field(
        description="at or above the score threshold, at any score where there is none; not on crowds"
    )
    AP: float | None
    AP50: float | None
    AR: float | None


class OperatingPoint(Frozen):
    """Counts at one score threshold and IoU 0.5, over all classes. Detections on crowds are not counted."""

    score_threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    precision: float | None
    recall: float | None
    f1: float | None


class SplitFigures(Frozen):
    """The figures of one split."""

    images: int
    boxes: int = Field(description="without crowds")
    detections: int = Field(description="in the predictions file, at any score")
    coco: CocoFigures
    AP_25_50_75: float | None = Field(description="mean of AP at IoU .25, .50 and .75")
    AP_rare: float | None = Field(
        None, description="mean AP of the record's rare classes that have ground truth here"
    )
    classes: tuple[ClassFigures, ...]
    operating_point: OperatingPoint | None = Field(
        None, description="None: no score threshold was chosen, because there are no val predictions"
    )


class FinalRecord(Frozen):
    """The training on train and val together, and what it is worth on test.

    Nothing is chosen in it: the last weights are judged, at the score threshold of the first training's val.
    """

    images: int = Field(description="in train and val together")
    training: TrainingRecord
    test: SplitFigures


class Efficiency(Frozen):
    """Cost of the judged checkpoint. Latency is measured from the image file to the final detections."""

    checkpoint_bytes: int
    latency_ms: float = Field(description="median, one image at a time")
    latency_p95_ms: float
    latency_rounds_ms: tuple[float, ...] = Field((), description="medians of five consecutive images each")
    images_per_s: float = Field(description="with `throughput_batch` images in a batch")
    throughput_batch: int
    timed_images: int
    peak_memory_mib: float = Field(description="resident memory of the process that was timed")
    peak_gpu_memory_mib: float | None
    device: str
    other_load: float | None = Field(
        None, description="CPU cores that other processes kept busy during the timing"
    )


class Provenance(Frozen):
    """Versions and machine."""

    bench: str
    python: str
    platform: str
    versions: dict[str, str]
    cpu: str
    cpu_count: int
    memory_gib: float
    gpu: str | None
    started: str = Field(description="ISO 8601, UTC")
    command: str


FailureKind = Literal["error", "out_of_memory"]


class Failure(Frozen):
    """Why a cell has no figures."""

    stage: str
    reason: str
    kind: FailureKind = "error"


class GateResult(Frozen):
    """The result of one check that a model has to pass to be ranked."""

    name: str
    passed: bool
    detail: str = Field(description="what was found, in one sentence")
    duration_s: float
    flagged: bool = Field(False, description="passed, with a note for the reader")


class CellRecord(Frozen):
    """One model with one seed on one dataset."""

    version: Literal[1, 2] = 2
    cell: str
    model: str = Field(description="the model's name in bench.yaml, unique in a run")
    seed: int
    share: int | None = Field(
        None, description="percent of the train split that the model was trained on; None: all of it"
    )
    dataset: str = Field(description="key of the dataset's content")
    status: Literal["done", "failed", "invalid"] = Field(
        description="invalid: a gate failed, so that the figures say nothing about the model"
    )
    failure: Failure | None = None
    gates: tuple[GateResult, ...] = Field(
        (), description="in the order in which they ran; empty: gates were off"
    )
    description: Description | None = None
    recipe: dict[str, Any] = Field(default_factory=dict, description="resolved")
    options: dict[str, Any] = Field(default_factory=dict, description="the family's own settings, resolved")
    rare_classes: tuple[str, ...] = Field((), description="classes whose mean AP is AP_rare")
    ledger: tuple[LedgerEntry, ...] = ()
    training: TrainingRecord | None = None
    val: SplitFigures | None = None
    test: SplitFigures | None = None
    final: FinalRecord | None = Field(None, description="with `final: train+val`")
    efficiency: Efficiency | None = None
    native_metrics: dict[str, float] = Field(
        default_factory=dict,
        description="the framework's own figures on val, shown beside ours",
    )
    provenance: Provenance | None = None

    @property
    def ranked(self) -> SplitFigures | None:
        """The test figures for the ranking: the final training's, or else the chosen checkpoint's."""
        return self.final.test if self.final else self.test

    @property
    def score_threshold(self) -> float | None:
        """Of the ranked figures' precision, recall and F1; None without figures or without a threshold."""
        point = self.ranked.operating_point if self.ranked else None
        return point.score_threshold if point else None
