"""Write a prepared dataset as COCO, YOLO, Pascal VOC or csv."""

from bench.datasets.exports.export import FORMATS, Resize, export

__all__ = ["FORMATS", "Resize", "export"]
