"""The columns of the ranking: figure, direction, notation, and which models can't be told from the best."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.records import CellRecord, CocoFigures
from bench.reports import wording
from bench.reports.costs import MEMORY
from bench.reports.ranking import rare_ap

Figure = Callable[[CellRecord], float | None]


@dataclass(frozen=True)
class Column:
    """One figure of a record. `note` explains it under the table."""

    key: str
    title: str
    group: str
    better: Literal["high", "low"]
    figure: Figure
    write: Callable[[float | None], str]
    note: str
    interval: str = ""  # the figure's name in Certainty; costs have none


def _coco(name: str) -> Figure:
    return lambda record: getattr(record.ranked.coco, name) if record.ranked else None


def _split(name: Literal["val", "test"], figure: str) -> Figure:
    """AP_rare stands beside COCO's twelve, not among them."""

    def of(record: CellRecord) -> float | None:
        figures = record.test if name == "test" else record.val
        return getattr(figures if figure == "AP_rare" else figures.coco, figure) if figures else None

    return of


def _point(name: str) -> Figure:
    return lambda record: getattr(record.ranked.operating_point, name, None) if record.ranked else None


def _cost(name: str) -> Figure:
    return lambda record: getattr(record.efficiency, name) if record.efficiency else None


QUALITY, THRESHOLD, COST = "Test split", "Test, at val's threshold", "Cost"

COLUMNS: tuple[Column, ...] = (
    Column(
        "ap", "AP", QUALITY, "high", _coco("AP"), wording.share, "mean over IoU .50:.95 and classes", "AP"
    ),
    Column(
        "ap50",
        "AP50",
        QUALITY,
        "high",
        _coco("AP50"),
        wording.share,
        "IoU .50: found, roughly placed",
        "AP50",
    ),
    Column(
        "ap75", "AP75", QUALITY, "high", _coco("AP75"), wording.share, "IoU .75: found, well placed", "AP75"
    ),
    Column(
        "ap_rare",
        "AP rare",
        QUALITY,
        "high",
        rare_ap,
        wording.share,
        "mean over the rare classes, which stand under the table",
        "AP_rare",
    ),
    Column(
        "ap_loose",
        "AP .25, .50, .75",
        QUALITY,
        "high",
        lambda record: record.ranked.AP_25_50_75 if record.ranked else None,
        wording.share,
        "mean over IoU .25, .50 and .75",
        "AP_25_50_75",
    ),
    Column(
        "ar",
        "AR100",
        QUALITY,
        "high",
        _coco("AR_100"),
        wording.share,
        "recall, 100 detections per image",
        "AR_100",
    ),
    Column(
        "precision",
        "Precision",
        THRESHOLD,
        "high",
        _point("precision"),
        wording.share,
        "share of detections that are right (IoU .50), at the score threshold with the best F1 on val",
        "precision",
    ),
    Column(
        "recall",
        "Recall",
        THRESHOLD,
        "high",
        _point("recall"),
        wording.share,
        "share of objects found, at that threshold",
        "recall",
    ),
    Column("f1", "F1", THRESHOLD, "high", _point("f1"), wording.share, "harmonic mean of the two", "f1"),
    Column(
        "parameters",
        "Parameters",
        COST,
        "low",
        lambda record: record.description.parameters if record.description else None,
        wording.millions,
        "all of the model's weights",
    ),
    Column(
        "latency",
        "Latency, ms",
        COST,
        "low",
        _cost("latency_ms"),
        wording.number,
        "median for one image, from its file to its detections",
    ),
    Column(
        "throughput",
        "Images / s",
        COST,
        "high",
        _cost("images_per_s"),
        wording.number,
        "in batches, post-processing included",
    ),
    Column(
        "training",
        "Training",
        COST,
        "low",
        lambda record: record.training.duration_s if record.training else None,
        wording.seconds,
        "wall time, validation included",
    ),
    Column(
        "memory", "Memory", COST, "low", MEMORY.figure, MEMORY.write, "peak; the GPU's where there is one"
    ),
)

SPLIT_COLUMNS: tuple[Column, ...] = tuple(
    Column(
        f"{split}_{figure}",
        figure.replace("_", " "),
        f"{split.capitalize()} split",
        "high",
        _split(split, figure),
        wording.share,
        "",
        figure if split == "test" else "",
    )
    for split in ("val", "test")
    for figure in ("AP", "AP50", "AP_rare")
)
"""Val, which chose the checkpoint, beside test."""

TWELVE: tuple[str, ...] = tuple(CocoFigures.model_fields)
"""COCO's figures, in COCO's order."""
