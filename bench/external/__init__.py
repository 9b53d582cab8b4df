"""Predictions of other tools, judged exactly as trained models are.

truth.py         the ground truth: a COCO json, or a run's own
predictions.py   detections as a file has them
readers.py       the reader for each format: coco_results.py, csv_table.py, yolo_folder.py
mapping.py       which image and class of the ground truth each detection means
judging.py       judges them, and writes a run folder that every other command takes
"""

from bench.external.judging import Request, evaluate

__all__ = ["Request", "evaluate"]
