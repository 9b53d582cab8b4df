"""What a detector achieves where a precision or a recall is demanded: thresholds from val, figures on test.

    demanded(models, units, precision=0.9)     # recall of each model where 90 % of detections are to be right

The threshold of each training is the lowest score with that precision on val (the highest with that recall).
On test the demand is met about as often as not: val's figure was chosen, test's comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.curves import score_curve, threshold_for_precision, threshold_for_recall
from bench.analysis.rates import Counts
from bench.evaluation import MatchTable
from bench.evaluation.operating_point import Candidates
from bench.records import OperatingPoint
from bench.statistics import DRAWS, Sample, image_weights


@dataclass(frozen=True)
class ValAndTest:
    """The match tables of one training."""

    val: MatchTable
    test: MatchTable


@dataclass(frozen=True)
class Demanded:
    """Every model with its own thresholds."""

    points: Mapping[str, tuple[OperatingPoint | None, ...]]
    """Model -> by seed, on test; None where no score meets the demand on val."""
    precision: Sample | None
    """On test, of the models that meet the demand on val with every seed; None where there is no such model,
    or too little is known. Intervals take the thresholds as they are."""
    recall: Sample | None


def demanded(
    models: Mapping[str, Sequence[ValAndTest]],
    units: NDArray[np.intp],
    *,
    precision: float | None = None,
    recall: float | None = None,
    draws: int = DRAWS,
) -> Demanded:
    """Give exactly one of `precision` and `recall`.

    Args:
        models: name -> one entry for each seed, all judged on the same splits.
        units: the group of each test image, (I,), as bench.statistics.units_of numbers them.
    """
    thresholds = {
        name: [val_threshold(one.val, precision=precision, recall=recall) for one in seeds]
        for name, seeds in models.items()
    }
    points = {
        name: tuple(
            None if threshold is None else Candidates.of(one.test).operating_point(threshold)
            for one, threshold in zip(seeds, thresholds[name], strict=True)
        )
        for name, seeds in models.items()
    }
    weights = np.concatenate([np.ones((1, len(units)), dtype=np.int64), image_weights(units, draws)])
    met = {
        name: [
            Counts.of(one.test, threshold).rates(weights)
            for one, threshold in zip(models[name], thresholds[name], strict=True)
            if threshold is not None
        ]
        for name in models
        if None not in thresholds[name]
    }
    amount = len(np.unique(units))
    return Demanded(points, _sample(met, "precision", amount), _sample(met, "recall", amount))


def val_threshold(
    val: MatchTable, *, precision: float | None = None, recall: float | None = None
) -> float | None:
    """The score threshold that meets the demand on val, over all classes at IoU 0.5; None where none does."""
    assert (precision is None) != (recall is None), "demand a precision or a recall"
    curve = score_curve(val)
    if precision is not None:
        return threshold_for_precision(curve, precision)
    assert recall is not None
    return threshold_for_recall(curve, recall)


def _sample(
    met: Mapping[str, Sequence[Mapping[str, NDArray[np.float64]]]], figure: str, units: int
) -> Sample | None:
    if not met:
        return None
    table = np.concatenate([one[figure] for seeds in met.values() for one in seeds], axis=1)
    return Sample.of_table({name: len(seeds) for name, seeds in met.items()}, table, units)
