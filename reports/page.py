"""The report: one HTML file that holds all it needs, and figure files beside it."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import files
from bench.errors import RunError
from bench.reports import accuracy, columns, curves, ranking_table, training, wording
from bench.reports.charts import RowChart, XYChart
from bench.reports.classes import ClassScores, ap_by_class, class_distribution, class_scores
from bench.reports.comparison import Comparison, Contestant, compare
from bench.reports.datasheet import DataSheet, datasheet
from bench.reports.failures import summary
from bench.reports.failures.doubtful import Shown, on_page
from bench.reports.failures.gallery import Gallery, gallery, keep_pictures
from bench.reports.failures.label_candidates import FILE, as_csv, label_candidates
from bench.reports.gates import GateRow, gate_rows
from bench.reports.inspection import Inspection, inspection
from bench.reports.losses import AgainstStandard, against_standard
from bench.reports.needs import Needs, needs
from bench.reports.precision_recall import RATES
from bench.reports.shares import LearningCurves, learning_curves
from bench.reports.verdict import Verdict, verdict
from bench.reports.weighing import Weighing, weighing
from bench.store import RunFolder

SCRIPTS = ("page.js", "failures.js", "curves.js", "weighing.js", "export.js")
"""In templates/; together the page's one script."""

FIGURES = "figures"
"""Folder of the figure files, beside the page."""


@dataclass(frozen=True)
class DatasetSection:
    """Everything that the page shows of one dataset."""

    comparison: Comparison
    verdict: Verdict
    needs: Needs
    weighing: Weighing | None
    ranking: ranking_table.Table
    splits: ranking_table.Table
    losses_against: list[AgainstStandard]
    rare: str  # the rare classes; empty where none has a figure
    rare_intervals: str
    gates: list[GateRow]
    seeds: RowChart | None
    by_cost: list[XYChart]
    classes: list[ClassScores]
    class_ap: RowChart | None
    class_counts: RowChart | None
    gallery: Gallery
    inspection: Inspection | None
    error_kinds: RowChart | None
    candidates: list[Shown]
    all_candidates: int
    finders: summary.Finders | None
    learning: XYChart | None
    losses: list[curves.ModelLosses]
    facts: list[training.SettingRow]
    class_loss: list[training.SettingRow]
    recipe: list[training.SettingRow]
    own: list[tuple[Contestant, list[tuple[str, str]]]]
    ledger: list[training.LedgerRow]
    native: list[training.NativeMetrics]
    shares: LearningCurves | None
    data: DataSheet


def write_report(runs: Sequence[RunFolder], target: Path, *, all_pictures: bool = False) -> Path:
    """Write the page to `target` and its figures to `figures/` beside it; returns `target`.

    With `all_pictures` a folder beside it has every test picture (failures/folder.py).

    Runs on the same data stand in one ranking; runs on different data stand apart, with a warning.
    Raises RunError: no run, the same run twice, no finished cell, or a run whose files are broken.
    """
    return write_comparisons(compare(runs), target, all_pictures=all_pictures)


def write_comparisons(comparisons: Sequence[Comparison], target: Path, *, all_pictures: bool = False) -> Path:
    """`write_report` of what is compared already: intervals and errors are computed once in a Comparison."""
    from bench.reports.figures import draw

    if target.is_dir():
        raise RunError("is a folder", file=target, hint="name the file that the page is to be")
    page = render(comparisons)
    draw(comparisons, target.parent / FIGURES)
    for comparison in comparisons:
        name = f"{comparison.number}-{FILE}" if len(comparisons) > 1 else FILE
        if found := label_candidates(comparison):
            files.write_text(target.parent / name, as_csv(found))
    if all_pictures:
        from bench.reports.failures.folder import FOLDER, write_folder

        for comparison in comparisons:
            name = f"{comparison.number}-{FOLDER}" if len(comparisons) > 1 else FOLDER
            write_folder(comparison, target.parent / name)
    files.write_text(target, page)
    return target


def keep_samples(comparisons: Sequence[Comparison]) -> None:
    """Copy the test pictures that the report of one run shows into it, while its written dataset is there."""
    for comparison in comparisons:
        keep_pictures(comparison)


def render(comparisons: Sequence[Comparison]) -> str:
    """The page's text."""
    from bench.reports import templating

    script = templating.script(SCRIPTS)
    contestants = [c for comparison in comparisons for c in comparison.contestants]
    return templating.render(
        "page.html",
        title=wording.listed([run.label for comparison in comparisons for run in comparison.runs]),
        sections=[_section(comparison) for comparison in comparisons],
        tones=[
            *sorted((c.tone for c in contestants), key=lambda tone: tone.index),
            *(series.tone for series in (*summary.KIND_SERIES, *RATES)),
        ],
        rates=RATES,
        twelve=columns.TWELVE,
        css=templating.trusted("page.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    )


def _section(comparison: Comparison) -> DatasetSection:
    shown = gallery(comparison)
    doubtful = label_candidates(comparison)
    return DatasetSection(
        comparison=comparison,
        verdict=verdict(comparison),
        needs=needs(comparison),
        weighing=weighing(comparison),
        ranking=ranking_table.table(comparison, columns.COLUMNS),
        splits=ranking_table.table(comparison, columns.SPLIT_COLUMNS),
        losses_against=against_standard(comparison),
        rare=training.rare_classes(comparison),
        rare_intervals=training.rare_intervals(comparison),
        gates=gate_rows(comparison),
        seeds=accuracy.seeds(comparison),
        by_cost=accuracy.by_cost(comparison),
        classes=class_scores(comparison),
        class_ap=ap_by_class(comparison),
        class_counts=class_distribution(comparison),
        gallery=shown,
        inspection=inspection(comparison),
        error_kinds=summary.of_errors(shown.errors) if shown.errors else None,
        candidates=on_page(doubtful, shown.shots),
        all_candidates=len(doubtful),
        finders=summary.finders(shown.errors) if shown.errors else None,
        learning=curves.learning(comparison),
        losses=curves.losses(comparison),
        facts=training.facts(comparison),
        class_loss=training.class_loss(comparison),
        recipe=training.recipe_settings(comparison),
        own=training.own_options(comparison),
        ledger=training.ledger(comparison),
        native=training.native_metrics(comparison),
        shares=learning_curves(comparison),
        data=datasheet(comparison),
    )
