"""What a cell leaves behind: one typed, versioned record. Tables, figures and the page read only these.

A figure that is not defined (AP of a class without ground truth) is `None`, never -1 or NaN.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LedgerEntry(Frozen):
    """One place where a detector was not treated like the others: asked for, used instead, and why."""

    setting: str
    asked: str
    used: str
    why: str


class Description(Frozen):
    """What a detector is."""

    family: str
    variant: str
    input_size: int = Field(description="long side of the network's input, pixels")
    parameters: int
    trainable_parameters: int
    pretrained_on: str = Field(description="what the starting weights had seen; 'nothing' for random ones")
    weights: str | None = Field(description="file that the starting weights came from")
    weights_sha256: str | None = None
    normalisation: str = Field(description="the backbone's norm layers, which change with the weights")
    class_map: dict[str, str | None] = Field(
        default_factory=dict,
        description="of weights judged without a training: our classes -> theirs, or none",
    )


class EpochRecord(Frozen):
    """One epoch as the training loop saw it. Losses are means over the epoch, by component, unweighted."""

    epoch: int = Field(description="from 1")
    share: float = Field(
        1.0,
        description="of the epoch; less than 1 for a validation within it, told with what is known so far",
    )
    epochs: int = Field(description="how many are planned")
    train_losses: dict[str, float]
    val_losses: dict[str, float] = Field(default_factory=dict)
    val_metrics: dict[str, float] = Field(
        default_factory=dict, description="of `FitContext.score_val`: AP, AP50 ...; empty if not validated"
    )
    learning_rates: dict[str, float] = Field(default_factory=dict, description="by group, at the epoch's end")
    optimizer_steps: int = Field(description="since the start of the training")
    images_seen: int = Field(description="since the start of the training")
    duration_s: float
    images_per_s: float | None = Field(None, description="trained on; validation left out")
    peak_memory_mib: float | None = Field(
        None, description="largest resident memory of the process so far; the harness fills it in"
    )


class LossRecord(Frozen):
    """How mistakes of class were counted where it was not the framework's own loss. docs/losses.md."""

    train_counts: dict[str, int] = Field(description="boxes of train by class, crowds left out")
    class_weights: dict[str, float] = Field(description="as used, by class")
    background_weight: float = Field(description="of an example without an object; one with an object has 1")
    scale: float = Field(description="s: brings the loss to the size of `standard` where training begins")
    normalised: bool = Field(description="false: the textbook's weights and mean, and no scale")
    formula: str = Field(description="in a line")


class TrainingRecord(Frozen):
    """What the training used up."""

    epochs: int
    best_epoch: int = Field(
        description="the one whose checkpoint is judged; chosen on val; 0 if none was trained"
    )
    best_step: int | None = Field(
        None, description="optimiser steps behind that checkpoint, which may be of the middle of its epoch"
    )
    optimizer_steps: int
    images_seen: int
    duration_s: float = Field(description="wall seconds, validation included, summed over resumes")
    training_s: float | None = Field(None, description="the same, validation left out")
    stopped_early: bool
    chosen_by: str = Field(description="the val metric that chose the best epoch, and whose implementation")
    notes: tuple[LedgerEntry, ...] = Field(
        default=(), description="for the ledger: what only the training pictures could tell"
    )
    loss: LossRecord | None = Field(None, description="None: the framework's own class loss")


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
    """One class on one split. AP and AR are over IoU .50:.95, at most 100 detections of it in a picture."""

    name: str
    ground_truths: int = Field(description="support: boxes of this class, crowds left out")
    detections: int = Field(description="at or over the score threshold, those on crowds left out")
    AP: float | None
    AP50: float | None
    AR: float | None


class OperatingPoint(Frozen):
    """Counts at one score threshold, IoU 0.5, over all classes together. A detection on a crowd is none."""

    score_threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    precision: float | None
    recall: float | None
    f1: float | None


class SplitFigures(Frozen):
    """The judge's verdict on one split."""

    images: int
    boxes: int = Field(description="crowds left out")
    detections: int = Field(description="in the predictions file, at any score")
    coco: CocoFigures
    AP_25_50_75: float | None = Field(description="mean of AP at IoU .25, .50 and .75")
    AP_rare: float | None = Field(
        None, description="mean AP of the record's rare classes, those without ground truth here left out"
    )
    classes: tuple[ClassFigures, ...]
    operating_point: OperatingPoint


class FinalRecord(Frozen):
    """The training on train and val together, and what it is worth on test.

    Nothing is chosen in it: the last weights are judged, at the score threshold of the first training's val.
    """

    images: int = Field(description="in train and val together")
    training: TrainingRecord
    test: SplitFigures


class Efficiency(Frozen):
    """Cost of the judged checkpoint. Latency runs from the picture's file to its final detections."""

    checkpoint_bytes: int
    latency_ms: float = Field(description="median, one picture at a time")
    latency_p95_ms: float
    latency_rounds_ms: tuple[float, ...] = Field((), description="medians of five consecutive images each")
    images_per_s: float = Field(description="at `throughput_batch` pictures a batch")
    throughput_batch: int
    timed_images: int
    peak_memory_mib: float = Field(description="resident memory of the cell's process")
    peak_gpu_memory_mib: float | None
    device: str


class Provenance(Frozen):
    """What ran, on what."""

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
    """One check that a model passes before it is ranked, or does not."""

    name: str
    passed: bool
    detail: str = Field(description="what was found, in a sentence")
    duration_s: float
    flagged: bool = Field(False, description="passed, but a reader should know")


class CellRecord(Frozen):
    """One detector x one seed on one dataset."""

    version: Literal[1, 2] = 2
    cell: str
    model: str = Field(description="the model's name in bench.yaml, unique in a run")
    seed: int
    dataset: str = Field(description="the layout's key")
    status: Literal["done", "failed", "invalid"] = Field(
        description="invalid: a gate says that the figures, if any, tell nothing of the model"
    )
    failure: Failure | None = None
    gates: tuple[GateResult, ...] = Field(
        (), description="in the order of their running; empty: gates were off"
    )
    description: Description | None = None
    recipe: dict[str, Any] = Field(default_factory=dict, description="resolved")
    options: dict[str, Any] = Field(default_factory=dict, description="the family's own words, resolved")
    rare_classes: tuple[str, ...] = Field((), description="whose mean AP is AP_rare")
    ledger: tuple[LedgerEntry, ...] = ()
    training: TrainingRecord | None = None
    val: SplitFigures | None = None
    test: SplitFigures | None = None
    final: FinalRecord | None = Field(None, description="where bench.yaml asks for `final: train+val`")
    efficiency: Efficiency | None = None
    native_metrics: dict[str, float] = Field(
        default_factory=dict,
        description="the framework's own figures on val, shown beside ours, never instead",
    )
    provenance: Provenance | None = None

    @property
    def ranked(self) -> SplitFigures | None:
        """The test figures that count: the final training's where there is one, else the chosen model's."""
        return self.final.test if self.final else self.test
