"""The tables of docs/statistics.md and its csv files, from the rows of benchmarks/coverage_tables.py."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from coverage_design import FAMILIES, IMAGES, SEEDS
from coverage_tables import (
    AFTER,
    METHODS,
    UNCALIBRATED,
    UNGROUPED,
    Row,
    claims_of,
    coverage_of,
    pairs_of,
    settings,
)

DOCS = Path(__file__).parents[1] / "docs"
MANY_RUNS = 800
"""Of a setting, from which a percentage near 95 is known to 1.5 points."""


def write(work: Path) -> None:
    """Both tables, and what docs/statistics.md shows of them."""
    found = list(settings(work))
    coverage = [row for setting in found for row in coverage_of(setting)]
    claims = [row for setting in found if setting.split.copies == 1 for row in claims_of(setting)]
    pairs = list(pairs_of(work))
    _write_csv(DOCS / "pairs.csv", pairs)
    _write_csv(DOCS / "coverage.csv", coverage)
    _write_csv(DOCS / "claims.csv", claims)
    page = DOCS / "statistics.md"
    text = page.read_text(encoding="utf-8")
    for name, table in (
        ("decisive", _decisive_table(pairs, coverage, claims)),
        ("summary", _summary(pairs, coverage, claims)),
        ("coverage", _coverage_table(coverage)),
        ("groups", _groups_table(coverage)),
        ("equals", _equals_table(claims)),
        ("apart", _apart_table(claims)),
    ):
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, times = between.subn(lambda match, table=table: match[1] + table + match[2], text)
        assert times == 1, f"docs/statistics.md has no place for {name}"
    page.write_text(text, encoding="utf-8")


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _decisive_table(pairs: Sequence[Row], coverage: Sequence[Row], claims: Sequence[Row]) -> str:
    """From 100 images and 3 seeds on, one by one, with the noise of the simulation."""
    alone = {(row["start"], row["images"], row["seeds"]): row for row in pairs}
    titles = (
        *("start", "images", "seeds", "runs"),
        *("holds at nominal 95 %", "holds", "winner of 2 equal", "any claim of 3 equal", "of 6"),
    )
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in coverage:
        if row["method"] != AFTER or row["copies"] != 1 or _number(row, "images") < 100:
            continue
        if _number(row, "seeds") < 3:
            continue
        about = [row[key] for key in ("start", "images", "seeds", "runs")]
        pair = alone.get((row["start"], row["images"], row["seeds"]))
        (uncalibrated,) = (
            one for one in coverage if one["method"] == UNCALIBRATED and _same(one, row, "copies")
        )
        (equal,) = (one for one in claims if one["models"] == "2 equal" and _same(one, row))
        if pair:
            about[-1] = f"{pair['runs']}, {row['runs']}"
            entries = [_with_noise(pair, name) for name in ("held_uncalibrated", "held", "false_best")]
        else:
            entries = [
                _with_noise(uncalibrated, "held"),
                _with_noise(row, "held"),
                _with_noise(equal, "false_best"),
            ]
        for models, name in (("3 equal", "false_pair"), ("6 equal", "false_pair")):
            found = [one for one in claims if one["models"] == models and _same(one, row)]
            entries.append(_with_noise(found[0], name) if found else "")
        lines.append(f"| {' | '.join(str(entry) for entry in [*about, *entries])} |")
    return "\n".join(lines) + "\n"


def _summary(pairs: Sequence[Row], coverage: Sequence[Row], claims: Sequence[Row]) -> str:
    """What the tables say together, from 100 images and 3 seeds on."""
    pairs = [row for row in pairs if _number(row, "runs") >= MANY_RUNS]
    held = [_number(row, "held_percent") for row in pairs]
    before = [_number(row, "held_uncalibrated_percent") for row in pairs]
    runs = sum(int(_number(row, "runs")) for row in pairs)
    text = (
        f"Of two equal models alone, in the settings with at least {MANY_RUNS} runs ({runs:,} in all), "
        f"intervals hold in {min(held):.1f} to {max(held):.1f} % of cases "
        f"({min(before):.1f} to {max(before):.1f} at a nominal 95 %), {_mean(pairs, 'held'):.1f} % over all, "
        f"and a winner is claimed in {_mean(pairs, 'false_best'):.1f} %.\n"
    )
    fresh = [
        row
        for row in coverage
        if row["method"] == AFTER
        and row["copies"] == 1
        and _number(row, "images") >= 100
        and _number(row, "seeds") == 3
    ]
    text += (
        "The level was chosen on these runs. In the runs of all eight models, which are others, intervals of "
        f"three seeds hold in {_mean(fresh, 'held'):.1f} % of cases.\n"
    )
    for models in ("3 equal", "6 equal"):
        rows = [row for row in claims if row["models"] == models]
        rows = [row for row in rows if _number(row, "images") >= 100 and _number(row, "seeds") >= 3]
        runs = sum(int(_number(row, "runs")) for row in rows)
        text += (
            f"Of {models.removesuffix(' equal')} equal models ({runs:,} runs) "
            f'one "is best" in {_mean(rows, "false_best"):.1f} % '
            f"({_mean(rows, 'false_best_before'):.1f} by the former rule), and there is any claim about "
            f"any pair in {_mean(rows, 'false_pair'):.1f} % "
            f"({_mean(rows, 'false_pair_two_levels'):.1f} with two levels).\n"
        )
    return text


def _mean(rows: Sequence[Row], name: str) -> float:
    """Over all runs, in percent."""
    runs = [_number(row, "runs") for row in rows]
    return float(np.average([_number(row, f"{name}_percent") for row in rows], weights=runs))


def _same(one: Row, other: Row, *keys: str) -> bool:
    return all(one[key] == other[key] for key in ("start", "images", "seeds", *keys))


def _number(row: Row, key: str) -> float:
    return float(str(row[key]))


def _with_noise(row: Row, name: str) -> str:
    """'95.1 (94.0-96.0)', with an en dash."""
    low, high = (_number(row, f"{name}_percent_{end}") for end in ("low", "high"))
    return f"{_number(row, f'{name}_percent'):.1f} ({low:.1f}\N{EN DASH}{high:.1f})"


def _groups_table(rows: Sequence[Row]) -> str:
    """Splits of copies: with the groups drawn, and as if they were single images."""
    lines = ["| start | images | groups | seeds | runs | groups drawn | images drawn |", "|---" * 7 + "|"]
    for row in rows:
        if row["method"] != AFTER or row["copies"] == 1 or row["seeds"] == 1:
            continue
        (ignored,) = (one for one in rows if one["method"] == UNGROUPED and _same(one, row))
        groups = int(_number(row, "images") // _number(row, "copies"))
        about = [row["start"], row["images"], groups, row["seeds"], row["runs"]]
        entries = [*about, _with_noise(row, "held"), _with_noise(ignored, "held")]
        lines.append(f"| {' | '.join(str(entry) for entry in entries)} |")
    return "\n".join(lines) + "\n"


def _coverage_table(rows: Sequence[Row]) -> str:
    """Lowest and highest coverage over the starts, a row for each size of the split and number of seeds."""
    lines = ["| images | seeds | " + " | ".join(METHODS) + " | width |", "|---" * (len(METHODS) + 3) + "|"]
    for images in IMAGES:
        for seeds in SEEDS:
            here = [r for r in rows if (r["images"], r["copies"], r["seeds"]) == (images, 1, seeds)]
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
