"""Apply a trained model to any images: boxes drawn on copies, detections as files."""

from bench.predicting.inputs import find_images, open_cell
from bench.predicting.work import PredictionSummary, predict

__all__ = ["PredictionSummary", "find_images", "open_cell", "predict"]
