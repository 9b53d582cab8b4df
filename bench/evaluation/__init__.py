"""The judge: one for every detector, and the tables of what it said.

truth = load_ground_truth(layout.coco_path("val"))
write_results(path, results_json(layout.examples("val"), detector.predict(pictures)))
threshold = best_threshold(truth, read_results(path))
figures = evaluate_split(truth, read_results(path), layout.classes, threshold)
"""

from bench.evaluation.ground_truth import GroundTruth, load_ground_truth
from bench.evaluation.judge import evaluate_split, score
from bench.evaluation.operating_point import best_threshold
from bench.evaluation.results import Results, read_results, results_json, write_results
from bench.evaluation.table import write_classes_csv, write_csv

__all__ = [
    "GroundTruth",
    "Results",
    "best_threshold",
    "evaluate_split",
    "load_ground_truth",
    "read_results",
    "results_json",
    "score",
    "write_classes_csv",
    "write_csv",
    "write_results",
]
