"""What a notebook shows of a run or a search: the answer and the ranking, as a piece of HTML."""

from pathlib import Path

from bench.reports import columns, ranking_table
from bench.reports.comparison import compare
from bench.reports.search.folder import read_search
from bench.reports.search.verdict import best_trial, finals, headline, setting_text
from bench.reports.verdict import verdict
from bench.store import RunFolder

SHOWN = ("ap", "ap50", "ap_rare", "f1", "parameters", "latency", "training", "memory")
"""Columns of the report's ranking that fit a notebook."""


def run_summary(run: RunFolder) -> str:
    """Answer, certainty and ranking for each dataset of the run; a note where no cell is finished."""
    from bench.reports import templating

    if not run.records():
        return templating.render("run_summary.html", run=run, parts=[])
    chosen = [column for column in columns.COLUMNS if column.key in SHOWN]
    parts = [(verdict(comparison), ranking_table.table(comparison, chosen)) for comparison in compare([run])]
    return templating.render("run_summary.html", run=run, parts=parts)


def search_summary(root: Path) -> str:
    """The headline, and each model's best settings with what the final trainings say of them."""
    from bench.reports import templating

    search = read_search(root)
    found = finals(search)
    rows = [
        (final, best.values or {}, setting_text(best.setting))
        if (best := best_trial(final.study))
        else (final, {}, "")
        for final in found
    ]
    return templating.render(
        "search_summary.html",
        search=search,
        headline=headline(found) if found else "",
        objectives=search.record.objectives,
        rows=rows,
    )
