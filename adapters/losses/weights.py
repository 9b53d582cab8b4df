"""The weight of each training example by its class, from `loss:` and the frequencies of the train split.

An example is a query, a region or an anchor; C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bench import frequencies
from bench.loss import LossConfig
from bench.records import LossRecord

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ExampleWeights:
    """Of one training; the same for the same settings and split."""

    counts: Mapping[str, int]  # boxes of train by class, without crowds
    by_class: FloatArray  # (C,); all 1 where no class is weighted
    background: float  # of an example without an object, relative to 1 with one
    gamma: float  # of the focal factor; 0: none
    alpha: float | None  # of the focal loss
    smoothing: float
    normalise: bool

    @classmethod
    def of(cls, settings: LossConfig, counts: Mapping[str, int], *, background: float) -> Self:
        """`background`: the family's resolved `background_weight`. Raises ConfigError as `class_weights`."""
        by_class = frequencies.class_weights(settings, counts) if settings.weighted else np.ones(len(counts))
        return cls(
            counts=dict(counts),
            by_class=by_class,
            background=background,
            gamma=settings.gamma,
            alpha=settings.focal_alpha,
            smoothing=settings.label_smoothing,
            normalise=settings.normalise,
        )

    @property
    def alphas(self) -> tuple[float, float]:
        """The factor on an example with an object, and on one without.

        alpha and 1 - alpha (Lin et al. 2017, equation 5), doubled with `normalise`: 0.5 then changes nothing.
        """
        if self.alpha is None:
            return 1.0, 1.0
        double = 2.0 if self.normalise else 1.0
        return double * self.alpha, double * (1 - self.alpha)

    def record(self, formula: str, scale: float) -> LossRecord:
        return LossRecord(
            train_counts=dict(self.counts),
            class_weights=dict(zip(self.counts, self.by_class.tolist(), strict=True)),
            background_weight=self.background,
            scale=scale,
            normalised=self.normalise,
            formula=formula,
        )
