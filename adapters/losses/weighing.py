"""The words of `loss:` met with a train split: what each example counts for, before it is known how well it
is answered. An example is a query, a region or an anchor; C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import frequencies
from bench.loss import LossConfig
from bench.records import LossRecord

Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Weighing:
    """Figures of one training; the same for the same words and split."""

    counts: Mapping[str, int]  # boxes of train by class, crowds left out
    classes: Figures  # (C,) weights; 1 each where nothing is weighted
    background: float  # of an example without an object, against 1 with one
    gamma: float  # 0: no focus
    alpha: float | None  # share of the examples with an object
    smoothing: float
    normalise: bool

    @classmethod
    def of(cls, settings: LossConfig, counts: Mapping[str, int], *, background: float) -> "Weighing":
        """`background`: what the family resolved `background_weight` to. Raises ConfigError, see there."""
        weights = frequencies.class_weights(settings, counts) if settings.weighted else np.ones(len(counts))
        return cls(
            counts=dict(counts),
            classes=weights,
            background=background,
            gamma=settings.gamma,
            alpha=settings.focal_alpha,
            smoothing=settings.label_smoothing,
            normalise=settings.normalise,
        )

    @property
    def sides(self) -> tuple[float, float]:
        """What focal_alpha gives to an example with an object and to one without.

        a and 1 - a (Lin et al. 2017, equation 5), doubled with `normalise`: then 0.5 changes nothing.
        """
        if self.alpha is None:
            return 1.0, 1.0
        double = 2.0 if self.normalise else 1.0
        return double * self.alpha, double * (1 - self.alpha)

    def record(self, formula: str, scale: float) -> LossRecord:
        return LossRecord(
            train_counts=dict(self.counts),
            class_weights=dict(zip(self.counts, self.classes.tolist(), strict=True)),
            background_weight=self.background,
            scale=scale,
            normalised=self.normalise,
            formula=formula,
        )
