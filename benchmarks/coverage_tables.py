"""From the blocks of benchmarks/coverage.py to docs/coverage.csv, docs/claims.csv and docs/statistics.md."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from coverage_design import BEHIND, CELLS, FAMILIES, IMAGES, PAIRS, SEEDS, STARTS, WORSE
from numpy.typing import NDArray
from scipy.stats import t

from bench.statistics import Comparison, Sample

Array = NDArray[np.float64]
Row = dict[str, object]

DOCS = Path(__file__).parents[1] / "docs"
METHODS = ("t over seeds", "images alone", "two levels", "two levels, bias-corrected", "sum of variances")
FROM_DRAWS = METHODS[1:4]
BEFORE, AFTER = METHODS[0], METHODS[-1]
EQUAL_PAIRS = PAIRS[:3]


@dataclass(frozen=True)
class Setting:
    """All runs of one start and one size of the split."""

    start: str
    images: int
    truth: Array  # (models,)
    values: Array  # (runs, trainings)
    covariance: Array  # (runs, trainings, trainings)
    percentile: Array  # (runs, pairs, seeds, 3 methods, 2)
    simultaneous: Array  # (runs, families, seeds, 2)

    def of(self, run: int, model: int, seeds: int) -> Array:
        return np.asarray(self.values[run, CELLS[model] : CELLS[model] + seeds])

    def sample(self, run: int, models: Sequence[int], seeds: int) -> Sample:
        rows = np.concatenate([np.arange(CELLS[m], CELLS[m] + seeds) for m in models])
        fresh = self.images / (self.images - 1)  # as Sample.of has it
        return Sample(
            tuple(str(m) for m in models),
            tuple(self.of(run, m, seeds) for m in models),
            self.covariance[run][np.ix_(rows, rows)].astype(np.float64) * fresh,
            self.images,
        )


def settings(work: Path) -> Iterator[Setting]:
    for start in STARTS:
        for images in IMAGES:
            blocks = [
                dict(np.load(path))
                for path in sorted(work.glob(f"{start}-{images}-*.npz"))
                if ".part" not in path.name
            ]
            if not blocks:
                continue
            columns = {key: np.concatenate([b[key] for b in blocks]) for key in blocks[0] if key != "truth"}
            runs = len(columns["values"])
            columns["percentile"] = columns["percentile"].reshape(runs, len(PAIRS), len(SEEDS), 3, 2)
            columns["simultaneous"] = columns["simultaneous"].reshape(runs, len(FAMILIES), len(SEEDS), 2)
            yield Setting(start, images, blocks[0]["truth"], **columns)


def write(work: Path) -> None:
    """Both tables, and what docs/statistics.md shows of them."""
    found = list(settings(work))
    coverage = [row for setting in found for row in _coverage(setting)]
    claims = [row for setting in found for row in _claims(setting)]
    _write_csv(DOCS / "coverage.csv", coverage)
    _write_csv(DOCS / "claims.csv", claims)
    page = DOCS / "statistics.md"
    text = page.read_text(encoding="utf-8")
    for name, table in (
        ("coverage", _coverage_table(coverage)),
        ("equals", _equals_table(claims)),
        ("apart", _apart_table(claims)),
    ):
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, times = between.subn(lambda match, table=table: match[1] + table + match[2], text)
        assert times == 1, f"docs/statistics.md has no place for {name}"
    page.write_text(text, encoding="utf-8")


def _coverage(setting: Setting) -> Iterator[Row]:
    """How often each method's interval of one pair holds the true difference."""
    for place, seeds in enumerate(SEEDS):
        held: dict[str, list[bool]] = {method: [] for method in METHODS}
        width: dict[str, list[float]] = {method: [] for method in METHODS}
        for number, (one, other) in enumerate(PAIRS):
            if np.isnan(setting.percentile[0, number, place]).any():
                continue
            truth = setting.truth[one] - setting.truth[other]
            for run in range(len(setting.values)):
                for method, (low, high) in _intervals(setting, run, number, place).items():
                    held[method].append(bool(low <= truth <= high))
                    width[method].append(high - low)
        for method in METHODS:
            if held[method]:
                yield {
                    "start": setting.start,
                    "images": setting.images,
                    "seeds": seeds,
                    "method": method,
                    "intervals": len(held[method]),
                    "held_percent": round(100 * float(np.mean(held[method])), 1),
                    "mean_width": round(float(np.mean(width[method])), 4),
                }


def _intervals(setting: Setting, run: int, number: int, place: int) -> dict[str, tuple[float, float]]:
    one, other = PAIRS[number]
    seeds = SEEDS[place]
    found = {
        method: (float(low), float(high))
        for method, (low, high) in zip(FROM_DRAWS, setting.percentile[run, number, place], strict=True)
    }
    if seeds > 1:
        found[BEFORE] = _over_seeds(setting.of(run, one, seeds) - setting.of(run, other, seeds))
    difference = Comparison(setting.sample(run, (one, other), seeds)).difference(str(one), str(other))
    found[AFTER] = difference.low, difference.high
    return found


def _over_seeds(differences: Array) -> tuple[float, float]:
    """Student's t-interval of seed-by-seed differences, as reports had it."""
    n = len(differences)
    half = float(t.ppf(0.975, n - 1)) * float(differences.std(ddof=1)) / n**0.5
    return float(differences.mean()) - half, float(differences.mean()) + half


def _claims(setting: Setting) -> Iterator[Row]:
    """How often the sentences are false among equals, and right or wrong of models that differ."""
    runs = range(len(setting.values))
    for place, seeds in enumerate(SEEDS[1:], 1):
        for number, family in enumerate(FAMILIES):
            if np.isnan(setting.simultaneous[0, number, place]).any():
                continue
            before, after, alike, seen = [], [], [], setting.simultaneous[:, number, place]
            pairs = []
            for run in runs:
                of_models = [setting.of(run, model, seeds) for model in range(family)]
                before.append(_came_out_best(of_models) is not None)
                comparison = Comparison(setting.sample(run, range(family), seeds))
                after.append(comparison.best is not None)
                pairs.append(any(d.ahead or d.behind for d in comparison.differences))
                alike.append(all(d.equivalent for d in comparison.differences))
            yield _row(
                setting,
                seeds,
                f"{family} equal",
                {
                    "false_best_before": before,
                    "false_best": after,
                    "false_pair_two_levels": seen[:, 0] > seen[:, 1],
                    "false_pair": pairs,
                    "equivalent": alike,
                },
            )
        for other, name in ((WORSE, "1 point apart"), (BEHIND, "4 points apart")):
            if np.isnan(setting.percentile[0, PAIRS.index((0, other)), place]).any():
                continue
            apart = float(setting.truth[0] - setting.truth[other])
            wrong_before, right_before, wrong, right, alike = [], [], [], [], []
            for run in runs:
                first = _came_out_best([setting.of(run, model, seeds) for model in (0, other)])
                # Equivalence is false where the margin is the true difference itself.
                comparison = Comparison(setting.sample(run, (0, other), seeds), margin=apart)
                wrong_before.append(first == 1)
                right_before.append(first == 0)
                wrong.append(comparison.best == str(other))
                right.append(comparison.best == "0")
                alike.append(comparison.differences[0].equivalent)
            yield _row(
                setting,
                seeds,
                name,
                {
                    "false_best_before": wrong_before,
                    "false_best": wrong,
                    "found_before": right_before,
                    "found": right,
                    "false_equivalent": alike,
                },
            )


def _came_out_best(of_models: Sequence[Array]) -> int | None:
    """Who "is best" by the former rule: every seed above every seed of the runner-up."""
    order = np.argsort([-values.mean() for values in of_models])
    first, second = of_models[order[0]], of_models[order[1]]
    return int(order[0]) if first.min() > second.max() else None


def _row(setting: Setting, seeds: int, models: str, shares: Mapping[str, Iterable[bool]]) -> Row:
    found = {name: list(values) for name, values in shares.items()}
    return {
        "start": setting.start,
        "images": setting.images,
        "seeds": seeds,
        "models": models,
        "runs": len(setting.values),
    } | {f"{name}_percent": round(100 * float(np.mean(values)), 1) for name, values in found.items()}


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _coverage_table(rows: Sequence[Row]) -> str:
    """Lowest and highest coverage over the starts, a row for each size of the split and number of seeds."""
    lines = ["| images | seeds | " + " | ".join(METHODS) + " | width |", "|---" * (len(METHODS) + 3) + "|"]
    for images in IMAGES:
        for seeds in SEEDS:
            here = [row for row in rows if row["images"] == images and row["seeds"] == seeds]
            if not here:
                continue
            entries = []
            for method in METHODS:
                held = [float(str(row["held_percent"])) for row in here if row["method"] == method]
                entries.append(_range(held) if held else "")
            width = [float(str(row["mean_width"])) for row in here if row["method"] == AFTER]
            entries.append(f"{min(width):.3f} to {max(width):.3f}")
            lines.append(f"| {images:,} | {seeds} | " + " | ".join(entries) + " |")
    return "\n".join(lines) + "\n"


def _equals_table(rows: Sequence[Row]) -> str:
    columns = ("false_best_before", "false_best", "false_pair_two_levels", "false_pair", "equivalent")
    titles = ('one "is best", before', '"is best"', "any pair, two levels", "any pair", '"as good as"')
    return _claims_table(rows, [f"{family} equal" for family in FAMILIES], columns, titles)


def _apart_table(rows: Sequence[Row]) -> str:
    columns = ("false_best_before", "false_best", "found_before", "found", "false_equivalent")
    titles = ('worse "is best", before', 'worse "is best"', "better found, before", "found", '"as good as"')
    return _claims_table(rows, ("1 point apart", "4 points apart"), columns, titles)


def _claims_table(
    rows: Sequence[Row], models: Sequence[str], columns: Sequence[str], titles: Sequence[str]
) -> str:
    lines = ["| models | images | seeds | " + " | ".join(titles) + " |", "|---" * (len(titles) + 3) + "|"]
    for group in models:
        for images in IMAGES:
            for seeds in SEEDS[1:4]:
                here = [
                    row
                    for row in rows
                    if (row["models"], row["images"], row["seeds"]) == (group, images, seeds)
                ]
                if here:
                    entries = [
                        _range([float(str(row[f"{name}_percent"])) for row in here]) for name in columns
                    ]
                    lines.append(f"| {group} | {images:,} | {seeds} | " + " | ".join(entries) + " |")
    return "\n".join(lines) + "\n"


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f}\N{EN DASH}{high:.0f}"
