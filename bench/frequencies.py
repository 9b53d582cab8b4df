"""What the frequencies of the classes in the train split decide: weights in a loss, and which are rare.

C classes, their counts in boxes, crowds left out. Val and test are never counted.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.errors import ConfigError
from bench.loss import LossConfig

Weights = NDArray[np.float64]

RARE_SHARE = 0.2
"""Of the train split's boxes: the least frequent classes that together hold at most so many are rare."""

_BETA = 0.999
_HARD = 1


def class_weights(settings: LossConfig, counts: Mapping[str, int]) -> Weights:
    """Weights (C,) in the order of `counts`; a scheme gives 0 to a class that the train split lacks.

    n_c boxes of class c, N in all, C classes that have any:
        inverse_frequency   N / (C n_c)
        inverse_sqrt        sqrt(N / (C n_c))
        effective_number    (1 - beta) / (1 - beta^n_c)            Cui et al. 2019, equation 4
        hard                N / (C n_c) for the k most frequent classes, 1 for the others
    With `normalise`, all are then divided by their mean over the boxes, sum_c (n_c / N) w_c: a box of
    the train split counts 1 on average, so the class loss keeps its size against the others.

    Raises:
        ConfigError: a weight table without one of the classes, or with one that is none of them, or whose
            weights are 0 for all the classes that the train split has.
    """
    n = np.array(list(counts.values()), dtype=np.float64)
    there = n > 0
    scheme = settings.scheme
    if isinstance(scheme, dict):
        weights = _from_table(scheme, list(counts))
        if not (weights * there).any():
            raise ConfigError(
                "all weights are 0 for the classes that the train split has",
                record="loss.class_weights",
                value=scheme,
            )
    else:
        weights = np.zeros(len(n))
        weights[there] = _by_scheme(settings, n[there])
    total = n.sum()
    if not settings.normalise or scheme == "none" or not total:
        return weights
    mean = float((n * weights).sum() / total)
    return weights / mean


def rare_classes(counts: Mapping[str, int], named: Sequence[str] | None = None) -> tuple[str, ...]:
    """`named`, or the least frequent classes that together hold at most RARE_SHARE of the boxes.

    Classes without a box in the train split can't be learned and are left out. Equal counts go by name. Where
    even the rarest class holds more than that share, there is no rare class.

    Raises ConfigError for a name that is no class.
    """
    if named is not None:
        unknown = [name for name in named if name not in counts]
        if unknown:
            raise ConfigError(
                f"is no class of the dataset: there are {', '.join(counts)}",
                record="rare_classes",
                value=unknown[0],
            )
        return tuple(named)
    left = RARE_SHARE * sum(counts.values())
    found: list[str] = []
    for count, name in sorted((count, name) for name, count in counts.items() if count):
        left -= count
        if left < 0:
            break
        found.append(name)
    return tuple(found)


def _by_scheme(settings: LossConfig, n: Weights) -> Weights:
    balanced: Weights = n.sum() / (len(n) * n)
    if settings.scheme == "inverse_frequency":
        return balanced
    if settings.scheme == "inverse_sqrt":
        return np.sqrt(balanced)
    if settings.scheme == "effective_number":
        beta = _BETA if settings.effective_beta is None else settings.effective_beta
        # 1 - beta^n by way of expm1: for beta near 1 the difference would lose its digits.
        return np.full(len(n), 1.0) if beta == 0 else (1 - beta) / -np.expm1(n * np.log(beta))
    if settings.scheme == "hard":
        most = np.argsort(-n, kind="stable")[: settings.hard_classes or _HARD]
        weights = np.ones(len(n))
        weights[most] = balanced[most]
        return weights
    return np.ones(len(n))


def _from_table(table: Mapping[str, float], classes: Sequence[str]) -> Weights:
    missing = [name for name in classes if name not in table]
    unknown = [name for name in table if name not in classes]
    if missing or unknown:
        told = [f"no weight for {', '.join(missing)}"] if missing else []
        told += [f"no such class: {', '.join(unknown)}"] if unknown else []
        raise ConfigError(
            f"the weight table does not fit the dataset: {'; '.join(told)}",
            record="loss.class_weights",
            hint=f"give each of these a weight: {', '.join(classes)}",
        )
    return np.array([table[name] for name in classes], dtype=np.float64)
