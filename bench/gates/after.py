"""The gates after training: signs of a broken model in its losses and in its detections on val.

They fail only on what no working model shows. A weak model has a low AP and is ranked; a broken one is not
ranked.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.boxes import xywh_to_xyxy, xyxy_to_cxcywh_norm
from bench.evaluation import Results
from bench.gates.gate import Flag, GateFailed, run_gate
from bench.layout import CATEGORY_OFFSET, Example
from bench.records import GateResult, TrainingRecord

NAMES = ("losses", "outputs", "learning")

ENOUGH_VALIDATIONS = 10
"""With fewer, an AP of 0 or a best epoch that is the first only means that the training was short."""

ALIKE = 0.01
"""Boxes count as equal if no side differs by more than this share of the image."""

FEW = 10
"""So few detections or ground-truth boxes can have the same class or place by chance."""


@dataclass(frozen=True)
class TrainingOutput:
    """What the gates need of a finished training."""

    history: Sequence[Mapping[str, float]]  # rows of history.csv
    training: TrainingRecord
    from_random: bool  # the training started from random weights
    results: Results  # on val
    examples: Sequence[Example]  # of val


def after_training(training_output: TrainingOutput) -> tuple[GateResult, ...]:
    """In the order of NAMES."""
    return (
        run_gate("losses", lambda: finite_losses(training_output.history)),
        run_gate("outputs", lambda: live_outputs(training_output.results, training_output.examples)),
        run_gate("learning", lambda: learning(training_output)),
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


def live_outputs(results: Results, examples: Sequence[Example]) -> str:
    """Raises GateFailed for collapsed detections: none at all, all of one class, all with one box."""
    labels = np.concatenate([example.labels for example in examples] or [np.zeros(0, dtype=np.int64)])
    if not len(labels):
        return Flag("not checked: val has no boxes")
    if not len(results):
        raise GateFailed(f"no detection in {len(examples)} images of val, at any score")
    found = np.unique(results.category_ids)
    wanted = np.unique(labels)
    if len(found) == 1 and len(wanted) > 1 and min(len(results), len(labels)) >= FEW:
        raise GateFailed(
            f"all {len(results)} detections on val are of class {int(found[0]) - CATEGORY_OFFSET}, "
            f"and val has {len(wanted)} classes"
        )
    if len(results) >= FEW and _spread(results, examples) <= ALIKE:
        raise GateFailed(f"all {len(results)} detections on val have the same box")
    return f"{len(results)} detections of {len(found)} classes on {len(examples)} images of val"


def learning(training_output: TrainingOutput) -> str:
    """Whether the training improved the model.

    Raises GateFailed for an AP of 0 in all validations, and for a model with random initial weights whose
    first
    validation is its best: it learnt nothing after it. With pretrained weights that is only a flag: on small
        data
    a working model may be best before its learning rate did any harm.
    """
    validated = [row for row in training_output.history if "metrics/AP" in row]
    if not validated:
        return "no epoch was validated"
    enough = len(validated) >= ENOUGH_VALIDATIONS
    scores = [row["metrics/AP"] for row in validated]
    if max(scores) == 0:
        text = f"the AP on val is 0 in all of {len(scores)} validations"
        return _verdict(text, fatal=enough)
    if len(validated) > 1 and scores[0] == max(scores):
        text = f"the first of {len(validated)} validations is the best: nothing was learnt after it"
        return _verdict(text, fatal=enough and training_output.from_random)
    return f"the AP on val rises from {scores[0]:.3f} to {max(scores):.3f}"


def _verdict(text: str, *, fatal: bool) -> str:
    if fatal:
        raise GateFailed(text)
    return Flag(text)


def _spread(results: Results, examples: Sequence[Example]) -> float:
    """Largest difference between the boxes in any coordinate, as a share of the image."""
    sizes = {example.image_id: example.size_wh for example in examples}
    sizes_wh = np.array([sizes[image_id] for image_id in results.image_ids.tolist()], dtype=np.float64)
    boxes = xyxy_to_cxcywh_norm(xywh_to_xyxy(results.boxes_xywh), sizes_wh)
    return float(np.ptp(boxes, axis=0).max())
