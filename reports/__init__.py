"""Tables, figures and the page, made from run and search folders alone."""

from bench.reports.comparison import Comparison, compare
from bench.reports.page import keep_samples, write_comparisons, write_report
from bench.reports.ranking import Ranked, Spread, ranking
from bench.reports.search.folder import is_search, read_search
from bench.reports.search.page import write_search_report
from bench.reports.search.verdict import search_verdicts
from bench.reports.summary import run_summary, search_summary

__all__ = [
    "Comparison",
    "Ranked",
    "Spread",
    "compare",
    "is_search",
    "keep_samples",
    "ranking",
    "read_search",
    "run_summary",
    "search_summary",
    "search_verdicts",
    "write_comparisons",
    "write_report",
    "write_search_report",
]
