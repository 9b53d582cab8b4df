"""Why detectors differ: errors by kind, curves, calibration, confusion, counts, agreement; from match tables.

Pure functions of bench.evaluation's match tables; each returns a typed result with counts behind its rates.
"""

from bench.analysis.agreement import Agreement, agreement
from bench.analysis.calibration import Calibration, calibration, localisation_recall_precision
from bench.analysis.confusion import Confusion, confusion
from bench.analysis.counting import CountingError, counting_error
from bench.analysis.curves import ScoreCurve, score_curve, threshold_for_precision, threshold_for_recall
from bench.analysis.errors import KINDS, ErrorsByKind, errors_at, errors_by_kind

__all__ = [
    "KINDS",
    "Agreement",
    "Calibration",
    "Confusion",
    "CountingError",
    "ErrorsByKind",
    "ScoreCurve",
    "agreement",
    "calibration",
    "confusion",
    "counting_error",
    "errors_at",
    "errors_by_kind",
    "localisation_recall_precision",
    "score_curve",
    "threshold_for_precision",
    "threshold_for_recall",
]
