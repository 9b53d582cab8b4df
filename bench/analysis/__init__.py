"""Why detectors differ: errors by kind, curves, calibration, confusion, counts, agreement; from match tables.

Functions of bench.evaluation's match tables; each returns a typed result with counts behind its rates. Slices
and demands come with bench.statistics' samples, from which every figure gets its interval.
"""

from bench.analysis.agreement import Agreement, agreement
from bench.analysis.calibration import Calibration, calibration, localisation_recall_precision
from bench.analysis.confusion import Confusion, confusion
from bench.analysis.counting import CountingError, counting_error
from bench.analysis.curves import ScoreCurve, score_curve, threshold_for_precision, threshold_for_recall
from bench.analysis.demands import Demanded, ValAndTest, demanded, val_threshold
from bench.analysis.errors import KINDS, ErrorsByKind, errors_at, errors_by_kind
from bench.analysis.image_properties import (
    crowding,
    object_counts,
    read_image_properties,
    write_image_properties,
)
from bench.analysis.losses import validation_losses
from bench.analysis.parts import of_images, of_sizes
from bench.analysis.rates import RATES, Counts
from bench.analysis.slices import Judged, Slice, class_slices, size_slices, slices

__all__ = [
    "KINDS",
    "RATES",
    "Agreement",
    "Calibration",
    "Confusion",
    "CountingError",
    "Counts",
    "Demanded",
    "ErrorsByKind",
    "Judged",
    "ScoreCurve",
    "Slice",
    "ValAndTest",
    "agreement",
    "calibration",
    "class_slices",
    "confusion",
    "counting_error",
    "crowding",
    "demanded",
    "errors_at",
    "errors_by_kind",
    "localisation_recall_precision",
    "object_counts",
    "of_images",
    "of_sizes",
    "read_image_properties",
    "score_curve",
    "size_slices",
    "slices",
    "threshold_for_precision",
    "threshold_for_recall",
    "val_threshold",
    "validation_losses",
    "write_image_properties",
]
