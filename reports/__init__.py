"""Tables, figures and the page, made from run folders alone."""

from bench.reports.page import write_report
from bench.reports.ranking import Ranked, Spread, ranking

__all__ = ["Ranked", "Spread", "ranking", "write_report"]
