"""The gates after training: what a training and its detections on val say of a model that is broken.

They ask for what no sound model shows, not for a good one: a weak model has a low AP and its place in the
ranking, a broken one has no place.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.boxes import xywh_to_xyxy, xyxy_to_cxcywh_norm
from bench.evaluation import Results
from bench.gates.gate import Flag, GateFailed, ask
from bench.layout import CATEGORY_OFFSET, Example
from bench.records import GateResult, TrainingRecord

NAMES = ("losses", "outputs", "learning")

ENOUGH_VALIDATIONS = 10
"""Before so many, an AP of 0 or a best epoch that is the first says only that the training was short."""

ALIKE = 0.01
"""Boxes are all equal if no side moves by more than this share of the picture."""

FEW = 10
"""Detections, or boxes of the ground truth, that could be of one class or place by chance."""


@dataclass(frozen=True)
class Fitted:
    """What a training left, as the gates ask for it."""

    history: Sequence[Mapping[str, float]]  # rows of history.csv
    training: TrainingRecord
    from_random: bool  # started from random weights
    results: Results  # on val
    examples: Sequence[Example]  # of val


def after_training(fitted: Fitted) -> tuple[GateResult, ...]:
    """In the order of NAMES."""
    return (
        ask("losses", lambda: finite_losses(fitted.history)),
        ask("outputs", lambda: alive(fitted.results, fitted.examples)),
        ask("learning", lambda: learning(fitted)),
    )


def finite_losses(history: Sequence[Mapping[str, float]]) -> str:
    """Raises GateFailed for a loss that is NaN or infinite."""
    count = 0
    for row in history:
        for name, value in row.items():
            if name.startswith(("train/", "val/")):
                count += 1
                if not math.isfinite(value):
                    raise GateFailed(f"{name} is {value} in epoch {row['epoch']:g}")
    return f"all {count} means of losses are finite numbers"


def alive(results: Results, examples: Sequence[Example]) -> str:
    """Raises GateFailed for detections that have collapsed: none, all of one class, all in one place."""
    labels = np.concatenate([example.labels for example in examples] or [np.zeros(0, dtype=np.int64)])
    if not len(labels):
        return Flag("not looked into: val has no boxes")
    if not len(results):
        raise GateFailed(f"it finds nothing in {len(examples)} pictures of val, at any score")
    found = np.unique(results.category_ids)
    wanted = np.unique(labels)
    if len(found) == 1 and len(wanted) > 1 and min(len(results), len(labels)) >= FEW:
        raise GateFailed(
            f"all {len(results)} detections on val are of class {int(found[0]) - CATEGORY_OFFSET}, "
            f"and val has {len(wanted)} classes"
        )
    if len(results) >= FEW and _spread(results, examples) <= ALIKE:
        raise GateFailed(f"all {len(results)} detections on val have the same box")
    return f"{len(results)} detections of {len(found)} classes on {len(examples)} pictures of val"


def learning(fitted: Fitted) -> str:
    """Whether the training has led anywhere.

    A best validation that is the first one is the end of a model that began with random weights: after
    it nothing was learnt, whatever the figures say. One that began with pretrained weights may have been
    best before its rates did any harm, which happens to sound models on small data: it keeps its place,
    with a flag.

    Raises GateFailed as told, and for an AP of 0 on val all along.
    """
    judged = [row for row in fitted.history if "metrics/AP" in row]
    if not judged:
        return "no epoch was validated"
    enough = len(judged) >= ENOUGH_VALIDATIONS
    scores = [row["metrics/AP"] for row in judged]
    if max(scores) == 0:
        text = f"the AP on val is 0 in all of {len(scores)} validations"
        return _judged(text, fatal=enough)
    if len(judged) > 1 and scores[0] == max(scores):
        text = f"the best of {len(judged)} validations is the first: nothing was learnt after it"
        return _judged(text, fatal=enough and fitted.from_random)
    return f"the AP on val rises from {scores[0]:.3f} to {max(scores):.3f}"


def _judged(text: str, *, fatal: bool) -> str:
    if fatal:
        raise GateFailed(text)
    return Flag(text)


def _spread(results: Results, examples: Sequence[Example]) -> float:
    """How far the sides of all boxes lie apart, as shares of their pictures."""
    sizes = {example.image_id: example.size_wh for example in examples}
    sizes_wh = np.array([sizes[image_id] for image_id in results.image_ids.tolist()], dtype=np.float64)
    boxes = xyxy_to_cxcywh_norm(xywh_to_xyxy(results.boxes_xywh), sizes_wh)
    return float(np.ptp(boxes, axis=0).max())
