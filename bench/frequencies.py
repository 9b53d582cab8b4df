"""Class frequencies in the train split, and what follows from them: loss weights and rare classes.

Counts are boxes, without crowd regions. Val and test are never counted.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.errors import ConfigError
from bench.loss import LossConfig

Weights = NDArray[np.float64]

RARE_SHARE = 0.2
"""The least frequent classes that together hold at most this share of the train boxes are rare."""

CLEARLY_FEWER = 0.5
"""Of the boxes that each class would have if all had equally many: a rare class has at most so many."""

_BETA = 0.999
_HARD = 1


def class_weights(settings: LossConfig, counts: Mapping[str, int]) -> Weights:
    """Weights (C,) in the order of `counts`; a scheme gives 0 to a class without train boxes.

    n_c boxes of class c, N in all, C classes with at least one:
        inverse_frequency   N / (C n_c)
        inverse_sqrt        sqrt(N / (C n_c))
        effective_number    (1 - beta) / (1 - beta^n_c)            Cui et al. 2019, equation 4
        hard                N / (C n_c) for the k most frequent classes, 1 for the others
    With `normalise`, all are then divided by their mean over the boxes, sum_c (n_c / N) w_c: a box of
    the train split has a mean weight of 1, and the class loss keeps its size relative to the others.

    Raises:
        ConfigError: a weight table lacks a class, has an unknown one, or gives 0 to all classes of the train
            split.
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
    """`named`, or the least frequent classes that together hold at most RARE_SHARE of the boxes, each at most
    CLEARLY_FEWER of an equal share: classes that are all as frequent have no rare one among them.

    Classes without a train box are left out. Equal counts are ordered by name. If even the rarest class holds
    more than that, no class is rare.

    Raises ConfigError for an unknown class.
    """
    if named is not None:
        unknown = [name for name in named if name not in counts]
        if unknown:
            raise ConfigError(
                f"is no class of the dataset; its classes: {', '.join(counts)}",
                record="rare_classes",
                value=unknown[0],
            )
        return tuple(named)
    known = sorted((count, name) for name, count in counts.items() if count)
    left = RARE_SHARE * sum(counts.values())
    few = CLEARLY_FEWER * sum(counts.values()) / max(1, len(known))
    found: list[str] = []
    for count, name in known:
        left -= count
        if left < 0 or count > few:
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
        # 1 - beta^n by expm1: for beta close to 1 the plain difference would lose its digits.
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
        problems = [f"no weight for {', '.join(missing)}"] if missing else []
        problems += [f"no such class: {', '.join(unknown)}"] if unknown else []
        raise ConfigError(
            f"the weight table does not fit the dataset: {'; '.join(problems)}",
            record="loss.class_weights",
            hint=f"give a weight to each of: {', '.join(classes)}",
        )
    return np.array([table[name] for name in classes], dtype=np.float64)
