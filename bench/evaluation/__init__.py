"""The judge: one for every detector, the match tables that it writes, and the figures computed from them.

judge = Judge.of_layout(layout, rare_classes)
write_results(path, results_json(layout.examples("val"), detector.predict(images)))
table = judge.match("val", read_results(path))
figures = judge.figures(table, best_threshold(table))
"""

from bench.evaluation.ground_truth import GroundTruth, load_ground_truth
from bench.evaluation.judge import Judge
from bench.evaluation.matches import MatchTable, read_matches, write_matches
from bench.evaluation.matching import match
from bench.evaluation.operating_point import best_threshold
from bench.evaluation.results import Results, read_results, results_json, write_results
from bench.evaluation.stored import matches_of
from bench.evaluation.table import write_classes_csv, write_csv
from bench.evaluation.weighted import WeightedFigures

__all__ = [
    "GroundTruth",
    "Judge",
    "MatchTable",
    "Results",
    "WeightedFigures",
    "best_threshold",
    "load_ground_truth",
    "match",
    "matches_of",
    "read_matches",
    "read_results",
    "results_json",
    "write_classes_csv",
    "write_csv",
    "write_matches",
    "write_results",
]
