"""The report of a search: one HTML file that holds all it needs, and figure files beside it."""

import base64
import hashlib
import shlex
from pathlib import Path
from typing import Any

from bench import files
from bench.reports import wording
from bench.reports.cautions import FEW_IMAGES
from bench.reports.page import FIGURES
from bench.reports.search.folder import Search, read_search
from bench.reports.search.sections import study_section
from bench.reports.search.trials import BEST, SERIES, STANDARD, ended, lower_is_better
from bench.reports.search.verdict import Final, finals, headline
from bench.reports.stored import read_json
from bench.reports.training import plain
from bench.search_records import SearchRecord

UNEQUAL = 1.2
"""Times that the trials of models may differ by this factor before it is said."""

FEW_SEEDS = 3
"""Fewer say hardly anything of how far trainings differ."""


def write_search_report(root: Path) -> Path:
    """Write report.html into the search folder `root`, and its figures to figures/; returns the page's path.

    Raises RunError where `root` is no search folder, or its files are broken.
    """
    from bench.reports.figures import draw_search

    search = read_search(root)
    found = finals(search)
    page = render_search(search, found)
    target = root / "report.html"
    draw_search(search, found, root / FIGURES)
    files.write_text(target, page)
    return target


def render_search(search: Search, found: list[Final]) -> str:
    """The page's text; `found` are the search's `finals`."""
    from bench.reports import templating

    script = templating.trusted("page.js")
    return templating.render(
        "search.html",
        search=search,
        record=search.record,
        headline=headline(found),
        sentences=[final.sentence if len(found) > 1 else final.detail for final in found],
        cautions=_cautions(search, found),
        studies=[study_section(search, final, number) for number, final in enumerate(found, 1)],
        final_page=_final_page(search),
        again=f"bench search -c {shlex.quote(str(search.root / 'bench.yaml'))}",
        final_again=_final_again(search),
        space=[(setting, plain(value)) for setting, value in search.record.space.items()],
        series=SERIES,
        lower=[objective for objective in search.record.objectives if lower_is_better(objective)],
        tones=[series.tone for series in SERIES],
        finalists=(STANDARD, BEST),
        css=templating.trusted("page.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    )


def _final_page(search: Search) -> str | None:
    """Where the final run's own page is, relative to this one."""
    if search.final is None or not search.final.report_path.is_file():
        return None
    return f"{search.record.final}/{search.final.report_path.name}"


def _final_again(search: Search) -> str:
    path = search.root / "best.yaml"
    return f"bench run -c {shlex.quote(str(path))}" if path.is_file() else ""


def _cautions(search: Search, found: list[Final]) -> list[str]:
    """What a sceptic would ask first."""
    record = search.record
    sentences = []
    if leak := wording.leak_of(_manifest(search)):
        sentences.append(f"{leak}.")
    sentences += [
        f"{cell.model}, seed {cell.seed}, is {cell.status} and in no figure here"
        + (f": {cell.failure.reason}." if cell.failure else ".")
        for cell in search.records
        if cell.status != "done"
    ]
    short = [final.study.model for final in found if len(ended(final.study)) < record.wanted_trials]
    if short:
        sentences.append(f"Fewer trials than asked for: {wording.listed(short)}.")
    sentences += _not_searched(record)
    if len(record.studies) > 1 and (cost := _trial_cost(record)):
        sentences.append(cost)
    paired = [pair for final in found for pair in (final.ap, final.rare_ap) if pair]
    if paired and min(len(pair.seeds) for pair in paired) < FEW_SEEDS:
        sentences.append("With fewer than three seeds the intervals are wide, or leave the training out.")
    tests = [cell.test.images for cell in search.records if cell.test]
    if tests and max(tests) < FEW_IMAGES:
        sentences.append(
            f"The test split has only {wording.count(max(tests), 'image')}: on so few, 95 % intervals hold "
            "less often than that (docs/statistics.md)."
        )
    return sentences


def _not_searched(record: SearchRecord) -> list[str]:
    """Losses that are in the space of some models only."""
    models = [study.model for study in record.studies]
    own = {
        name: {
            key.removeprefix(f"models.{name}.") for key in record.space if key.startswith(f"models.{name}.")
        }
        for name in models
    }
    losses = sorted({key for keys in own.values() for key in keys if key.startswith("loss.")})
    missing = {name: [key for key in losses if key not in own[name]] for name in models}
    return [f"Not searched for {name}: {wording.listed(keys)}." for name, keys in missing.items() if keys]


def _trial_cost(record: SearchRecord) -> str:
    """What equally many trials cost each model: equal trials are not an equal effort."""
    spent = {study.model: sum(trial.duration_s or 0 for trial in study.trials) for study in record.studies}
    if not all(spent.values()) or max(spent.values()) < UNEQUAL * min(spent.values()):
        return ""
    times = [f"{model} {wording.seconds(duration)}" for model, duration in spent.items()]
    return f"The models had equally many trials, not equally much time: {wording.listed(times)}."


def _manifest(search: Search) -> dict[str, Any]:
    path = search.root / "manifest.json"
    manifest = read_json(path) if path.is_file() else {}
    return manifest if isinstance(manifest, dict) else {}
