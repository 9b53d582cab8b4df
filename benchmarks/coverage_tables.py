"""From the blocks of benchmarks/coverage.py to rows: how often intervals hold, and claims are false."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from coverage_design import (
    BEHIND,
    CELLS,
    EQUAL_PAIRS,
    FAMILIES,
    PAIR_RUNS,
    PAIRS,
    SEEDS,
    SPLITS,
    STARTS,
    WORSE,
    Split,
)
from numpy.typing import NDArray
from scipy.stats import binomtest, t

from bench.statistics import CONFIDENCE, NOMINAL, Comparison, Sample

Array = NDArray[np.float64]
Row = dict[str, object]

METHODS = (
    "t over seeds",
    "images alone",
    "two levels",
    "two levels, bias-corrected",
    "sum of variances at 95 %",
    "sum of variances at 97 %",
)
FROM_DRAWS = METHODS[1:4]
BEFORE, UNCALIBRATED, AFTER = METHODS[0], METHODS[-2], METHODS[-1]
UNGROUPED = "the same, groups ignored"


@dataclass(frozen=True)
class Setting:
    """All runs of one start and one kind of split."""

    start: str
    split: Split
    truth: Array  # (models,)
    values: Array  # (runs, trainings)
    covariance: Array  # (runs, trainings, trainings)
    percentile: Array  # (runs, pairs, seeds, 3 methods, 2)
    simultaneous: Array  # (runs, families, seeds, 2)
    covariance_of_images: Array | None = None
    """As if copies were independent images; for splits of copies."""

    def of(self, run: int, model: int, seeds: int) -> Array:
        return np.asarray(self.values[run, CELLS[model] : CELLS[model] + seeds])

    def sample(self, run: int, models: Sequence[int], seeds: int, *, grouped: bool = True) -> Sample:
        rows = np.concatenate([np.arange(CELLS[m], CELLS[m] + seeds) for m in models])
        units = self.split.images // self.split.copies if grouped else self.split.images
        covariance = self.covariance if grouped else self.covariance_of_images
        assert covariance is not None, "only splits of copies are drawn both ways"
        return Sample(
            tuple(str(m) for m in models),
            tuple(self.of(run, m, seeds) for m in models),
            covariance[run][np.ix_(rows, rows)].astype(np.float64)
            * units
            / (units - 1),  # as Sample.of has it
            units,
        )

    def has(self, models: Iterable[int], seeds: int) -> bool:
        return all(CELLS[model + 1] - CELLS[model] >= seeds for model in models)


def settings(work: Path) -> Iterator[Setting]:
    for start in STARTS:
        for split in SPLITS:
            blocks = [
                dict(np.load(path))
                for path in sorted(work.glob(f"{start}-{split.name}-*.npz"))
                if ".part" not in path.name
            ]
            if not blocks:
                continue
            columns = {key: np.concatenate([b[key] for b in blocks]) for key in blocks[0] if key != "truth"}
            runs = len(columns["values"])
            columns["percentile"] = columns["percentile"].reshape(runs, len(PAIRS), len(SEEDS), 3, 2)
            columns["simultaneous"] = columns["simultaneous"].reshape(runs, len(FAMILIES), len(SEEDS), 2)
            yield Setting(start, split, blocks[0]["truth"], **columns)


def coverage_of(setting: Setting) -> Iterator[Row]:
    """How often each method's interval of one pair holds the true difference."""
    for place, seeds in enumerate(SEEDS):
        pairs = [number for number, pair in enumerate(PAIRS) if setting.has(pair, seeds)]
        intervals = [
            [_intervals(setting, run, number, place) for number in pairs]
            for run in range(len(setting.values))
        ]
        truth = np.array([setting.truth[one] - setting.truth[other] for one, other in np.array(PAIRS)[pairs]])
        for method in intervals[0][0]:
            ends = np.array([[one[method] for one in of_run] for of_run in intervals])  # (runs, pairs, 2)
            yield _about(setting, seeds) | {
                "method": method,
                **_percent("held", (ends[..., 0] <= truth) & (truth <= ends[..., 1])),
                "mean_width": round(float(np.mean(ends[..., 1] - ends[..., 0])), 4),
            }


def pairs_of(work: Path) -> Iterator[Row]:
    """The runs of two equal models alone."""
    for start in STARTS:
        for images, seeds in PAIR_RUNS:
            blocks = [
                dict(np.load(path)) for path in sorted(work.glob(f"pair-{start}-{images}-{seeds}-*.npz"))
            ]
            if not blocks:
                continue
            truth = float(blocks[0]["truth"][0] - blocks[0]["truth"][1])
            held: dict[float, list[bool]] = {CONFIDENCE: [], NOMINAL: []}
            best = []
            for block in blocks:
                for values, covariance in zip(block["values"], block["covariance"], strict=True):
                    parts = (values[:seeds], values[seeds:])
                    sample = Sample(("0", "1"), parts, covariance * images / (images - 1), images)
                    best.append(Comparison(sample).best is not None)
                    for level, found in held.items():
                        low, high = _interval(sample, level)
                        found.append(low <= truth <= high)
            yield {
                "start": start,
                "images": images,
                "seeds": seeds,
                "runs": len(best),
                **_percent("held_uncalibrated", np.array(held[CONFIDENCE])),
                **_percent("held", np.array(held[NOMINAL])),
                **_percent("false_best", np.array(best)),
            }


def _about(setting: Setting, seeds: int) -> Row:
    return {
        "start": setting.start,
        "images": setting.split.images,
        "copies": setting.split.copies,
        "seeds": seeds,
        "runs": len(setting.values),
    }


def _percent(name: str, happened: NDArray[np.bool_]) -> Row:
    """Of (runs, pairs): the share in percent, and Wilson's 95 % interval of it.

    Pairs of one run share its images: they count as so many independent ones as their variance shows.
    """
    happened = happened.reshape(len(happened), -1)
    share, runs = float(happened.mean()), len(happened)
    variance = float(happened.mean(axis=1).var(ddof=1)) / runs
    worth = happened.size if variance == 0 else np.clip(share * (1 - share) / variance, runs, happened.size)
    number = round(float(worth))
    interval = binomtest(round(share * number), number).proportion_ci(method="wilson")
    ends = {"percent": share, "percent_low": interval.low, "percent_high": interval.high}
    return {f"{name}_{end}": round(100 * float(value), 1) for end, value in ends.items()}


def _intervals(setting: Setting, run: int, number: int, place: int) -> dict[str, tuple[float, float]]:
    one, other = PAIRS[number]
    seeds = SEEDS[place]
    found = {}
    if seeds > 1:
        found[BEFORE] = _over_seeds(setting.of(run, one, seeds) - setting.of(run, other, seeds))
    found |= {
        method: (float(low), float(high))
        for method, (low, high) in zip(FROM_DRAWS, setting.percentile[run, number, place], strict=True)
    }
    sample = setting.sample(run, (one, other), seeds)
    found[UNCALIBRATED] = _interval(sample, CONFIDENCE)
    found[AFTER] = _interval(sample, NOMINAL)
    if setting.covariance_of_images is not None:
        found[UNGROUPED] = _interval(setting.sample(run, (one, other), seeds, grouped=False), NOMINAL)
    return found


def _interval(sample: Sample, confidence: float) -> tuple[float, float]:
    difference = Comparison(sample, confidence=confidence).difference(*sample.models)
    return difference.low, difference.high


def _over_seeds(differences: Array) -> tuple[float, float]:
    """Student's t-interval of seed-by-seed differences, as reports had it."""
    n = len(differences)
    half = float(t.ppf(0.975, n - 1)) * float(differences.std(ddof=1)) / n**0.5
    return float(differences.mean()) - half, float(differences.mean()) + half


def claims_of(setting: Setting) -> Iterator[Row]:
    """How often the sentences are false among equals, and right or wrong of models that differ."""
    for place, seeds in enumerate(SEEDS[1:], 1):
        for number, family in enumerate(FAMILIES):
            groups = EQUAL_PAIRS if family == 2 else (tuple(range(family)),)
            groups = tuple(models for models in groups if setting.has(models, seeds))
            if groups:
                yield _among_equals(setting, seeds, groups, setting.simultaneous[:, number, place])
        for other, name in ((WORSE, "1 point apart"), (BEHIND, "4 points apart")):
            if setting.has((0, other), seeds):
                yield _of_two_apart(setting, seeds, other, name)


def _among_equals(setting: Setting, seeds: int, groups: Sequence[Sequence[int]], two_levels: Array) -> Row:
    before, best, pair, alike = [], [], [], []
    for run in range(len(setting.values)):
        found = [Comparison(setting.sample(run, models, seeds)) for models in groups]
        of_seeds = [[setting.of(run, model, seeds) for model in models] for models in groups]
        before.append([_came_out_best(values) is not None for values in of_seeds])
        best.append([one.best is not None for one in found])
        pair.append([any(d.ahead or d.behind for d in one.differences) for one in found])
        alike.append([all(d.equivalent for d in one.differences) for one in found])
    return _about(setting, seeds) | {
        "models": f"{len(groups[0])} equal",
        **_percent("false_best_before", np.array(before)),
        **_percent("false_best", np.array(best)),
        **_percent("false_pair_two_levels", two_levels[:, 0] > two_levels[:, 1]),
        **_percent("false_pair", np.array(pair)),
        **_percent("equivalent", np.array(alike)),
    }


def _of_two_apart(setting: Setting, seeds: int, other: int, name: str) -> Row:
    apart = float(setting.truth[0] - setting.truth[other])
    first, best, alike = [], [], []
    for run in range(len(setting.values)):
        first.append(_came_out_best([setting.of(run, model, seeds) for model in (0, other)]))
        # Equivalence is false where the margin is the true difference itself.
        comparison = Comparison(setting.sample(run, (0, other), seeds), margin=apart)
        best.append(comparison.best)
        alike.append(comparison.differences[0].equivalent)
    return _about(setting, seeds) | {
        "models": name,
        **_percent("false_best_before", np.array([one == 1 for one in first])),
        **_percent("false_best", np.array([one == str(other) for one in best])),
        **_percent("found_before", np.array([one == 0 for one in first])),
        **_percent("found", np.array([one == "0" for one in best])),
        **_percent("false_equivalent", np.array(alike)),
    }


def _came_out_best(of_models: Sequence[Array]) -> int | None:
    """Who "is best" by the former rule: every seed above every seed of the runner-up."""
    order = np.argsort([-values.mean() for values in of_models])
    first, second = of_models[order[0]], of_models[order[1]]
    return int(order[0]) if first.min() > second.max() else None
