"""A trained model on pictures of anybody's: boxes drawn on copies, detections as files."""

from bench.predicting.asked import find_images, open_cell
from bench.predicting.work import Outcome, predict

__all__ = ["Outcome", "find_images", "open_cell", "predict"]
