"""From a dataset as it lies on disk to layouts that frameworks read."""
