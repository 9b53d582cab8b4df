"""The class round trip: permuting the classes must permute the detected labels and leave the AP as it is."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.detector import Detections, Inspectable
from bench.evaluation import Judge
from bench.gates.boxes import nearest, round_trip_detections
from bench.gates.gate import GateFailed
from bench.layout import Example

LEAST_AP50 = 0.999
"""Of a perfect network. AP itself may be lower: half a pixel costs a small box."""

SAME = 1e-9


def round_trip(
    detector: Inspectable,
    examples: Sequence[Example],
    classes: Sequence[str],
    judges: tuple[Judge, Judge],
) -> str:
    """`judges`: of the examples, and of the same with `permutation(len(classes))` applied to the labels.

    Raises GateFailed for a label that comes back as another, and for an AP that the order changes.
    """
    order = permutation(len(classes))
    permuted = [replace(example, labels=order[example.labels]) for example in examples]
    scores = []
    for given, judge in zip((examples, permuted), judges, strict=True):
        returned = round_trip_detections(detector, given)
        for example, found in zip(given, returned, strict=True):
            _check_labels(example, found, classes)
        scores.append(judge.score(returned))
    plain, other = scores
    if plain["AP50"] < LEAST_AP50:
        raise GateFailed(f"a perfect network would get an AP50 of {plain['AP50']:.3f}")
    if abs(plain["AP"] - other["AP"]) > SAME:
        raise GateFailed(f"the order of the classes changes the AP: {plain['AP']:.4f}, {other['AP']:.4f}")
    return (
        f"{len(classes)} classes, in two orders: the same labels come back, AP {plain['AP']:.3f} both times"
    )


def permutation(classes: int) -> NDArray[np.int64]:
    """Class index -> its place in the other order: a rotation by one."""
    return np.roll(np.arange(classes, dtype=np.int64), -1)


def _check_labels(example: Example, found: Detections, classes: Sequence[str]) -> None:
    back = found.labels[nearest(example, found)]
    wrong = np.flatnonzero(back != example.labels)
    if not len(wrong):
        return
    sent, came = int(example.labels[wrong[0]]), int(back[wrong[0]])
    name = repr(classes[came]) if 0 <= came < len(classes) else "no class at all"
    raise GateFailed(f"{example.path.name}: class {sent}, {classes[sent]!r}, comes back as {came}, {name}")
