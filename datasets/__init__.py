"""Read a dataset from disk, check it, split it, and write it as the layouts that frameworks read."""

from bench.datasets.prepare import convert, prepare
from bench.datasets.proposal import propose_config

__all__ = ["convert", "prepare", "propose_config"]
