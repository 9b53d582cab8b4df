"""From a dataset as it lies on disk to layouts that frameworks read."""

from bench.datasets.prepare import convert, prepare
from bench.datasets.sniff import sniff

__all__ = ["convert", "prepare", "sniff"]
