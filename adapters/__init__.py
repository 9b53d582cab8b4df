"""Detectors: each file makes one framework's models obey `bench.detector`."""
